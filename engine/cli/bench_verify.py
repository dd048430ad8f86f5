"""`greenfinch bench verify`: what a verdict costs, and whether verdicts are right."""

from __future__ import annotations

import json
import sys
from contextlib import aclosing
from pathlib import Path

import anyio
import attrs
import click
from rich.console import Console
from rich.table import Table

from engine.bench.journal import Journal
from engine.bench.judgements import Judged, judge_problems, summarise
from engine.bench.problems import load_problems
from engine.bench.verify import Machine, Measured, measure
from engine.cli.main import PASSED
from engine.cli.measuring import rows_of
from engine.config import Settings
from engine.verification.interpreter import probe


@click.command("verify")
@click.option("--python", metavar="PATH", help="Python that runs the tests; Greenfinch's own by default.")
@click.option("--repeat", type=click.IntRange(min=1), default=9, help="Runs of each kind.")
@click.option("--problems", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Judge this set's own solutions and stubs instead.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many problems.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
              help="With --problems: folder for the results; what it already holds is not judged again.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="JSON objects, the last of which sums up.")
def verify(
    python: str | None, repeat: int, problems: Path | None, limit: int | None, out: Path | None, as_json: bool
) -> None:
    """Measure what a verdict costs: cold and warm, with and without the sandbox.

    With --problems: whether verdicts are right.  Each problem's reference solution should be accepted, its stub not.
    """
    if problems is not None:
        options = {"python": python or sys.executable}
        _judge_problems(problems, limit, Settings.load().updated(options, source="command line"), out, as_json)
        sys.exit(PASSED)
    interpreter = probe(Path(python or sys.executable), "command line")
    machine = Machine.of(interpreter)
    rows = rows_of(measure(interpreter, repeat), machine, as_json=as_json,
                   more=lambda row: {"ratio": row.ratio, "preparation": row.preparation})  # fmt: skip
    console = Console(highlight=False)
    console.print(
        f"{machine.cores} cores, {machine.system}, Python {machine.python}, pytest {machine.pytest}, "
        f"load {machine.load}; medians of {repeat} runs that take turns, in milliseconds;\n"
        "plain pytest without a sandbox, cold and warm verdicts in one; ratio: of plain pytest to warm; "
        "server: until it is ready; set up: the sandbox, for a command that does nothing, and down again; "
        "last: how far a fork goes ahead"
    )
    console.print(_verdicts(rows))
    sys.exit(PASSED)


def _verdicts(rows: list[Measured]) -> Table:
    table = Table(
        "project", "plain pytest", "cold", "warm", "ratio", "warm in a row", "2 at once", "server", "set up", ""
    )
    for row in rows:
        times = (row.cold, row.sandboxed, row.warm, row.warm_at_once, row.two, row.ready, row.preparation)
        cold, sandboxed, warm, in_a_row, two, ready, set_up = (
            "-" if each is None else f"{each * 1e3:.0f}" for each in times
        )
        ratio = "-" if row.ratio is None else f"{row.ratio:.1f}"
        table.add_row(row.project, cold, sandboxed, warm, ratio, in_a_row, two, ready, set_up, row.reason or row.place)
    return table


def _judge_problems(file: Path, limit: int | None, settings: Settings, out: Path | None, as_json: bool) -> None:
    journal = Journal(out, Judged)
    judged = journal.earlier()
    done = {(each.id, each.kind) for each in judged}
    chosen = [problem for problem in load_problems(file) if problem.solution_text][:limit]

    async def work() -> None:
        async with aclosing(judge_problems(chosen, settings, done=done)) as each_in_turn:
            async for each in each_in_turn:
                judged.append(each)
                line = journal.add(each)
                told = "accepted" if each.accepted else f"not accepted: {each.reason}"
                by = each.decided_by or "not judged"
                print(line if as_json else f"{each.id} {each.kind}: {told} ({by}, {each.seconds} s)", flush=True)

    anyio.run(work)
    summary = attrs.asdict(summarise(judged))
    print(json.dumps({"summary": True, **summary} if as_json else summary, indent=None if as_json else 2), flush=True)
