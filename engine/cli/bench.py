"""`greenfinch bench`: strategies side by side on a problem set; what a verdict costs; what the model host gives."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio
import attrs
import click
from rich.console import Console
from rich.table import Table

from engine.bench.verify import Machine, Measured, measure
from engine.cli.bench_host import host
from engine.cli.bench_run import run, simulate
from engine.cli.main import PASSED
from engine.verification.interpreter import probe


@click.group()
def bench() -> None:
    """Measure strategies on a problem set."""


bench.add_command(run)
bench.add_command(host)
bench.add_command(simulate)


@bench.command("verify")
@click.option("--python", metavar="PATH", help="Python that runs the tests; Greenfinch's own by default.")
@click.option("--repeat", type=click.IntRange(min=1), default=9, help="Runs of each kind.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a project, then one of the machine.")
def verify(python: str | None, repeat: int, as_json: bool) -> None:
    """Measure what a verdict costs: cold and warm, with and without the sandbox."""
    interpreter = probe(Path(python or sys.executable), "command line")
    machine = Machine.of(interpreter)
    rows: list[Measured] = []

    async def work() -> None:
        async for row in measure(interpreter, repeat):
            rows.append(row)
            if as_json:
                print(json.dumps({**attrs.asdict(row), "ratio": row.ratio}), flush=True)

    anyio.run(work)
    if as_json:
        print(json.dumps({"machine": attrs.asdict(machine)}), flush=True)
        sys.exit(PASSED)
    console = Console(highlight=False)
    console.print(
        f"{machine.cores} cores, {machine.system}, Python {machine.python}, pytest {machine.pytest}, "
        f"load {machine.load}; medians of {repeat} runs that take turns, in milliseconds;\n"
        "plain pytest without a sandbox, cold and warm verdicts in one; ratio: of plain pytest to warm; "
        "server: until it is ready; last: how far a fork goes ahead"
    )
    console.print(_verdicts(rows))
    sys.exit(PASSED)


def _verdicts(rows: list[Measured]) -> Table:
    table = Table("project", "plain pytest", "cold", "warm", "ratio", "warm in a row", "2 at once", "server", "")
    for row in rows:
        times = (row.cold, row.sandboxed, row.warm, row.warm_at_once, row.two, row.ready)
        cold, sandboxed, warm, in_a_row, two, ready = ("-" if each is None else f"{each * 1e3:.0f}" for each in times)
        ratio = "-" if row.ratio is None else f"{row.ratio:.1f}"
        table.add_row(row.project, cold, sandboxed, warm, ratio, in_a_row, two, ready, row.reason or row.place)
    return table
