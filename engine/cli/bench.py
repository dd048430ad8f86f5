"""`greenfinch bench`: strategies side by side on a problem set; what a verdict costs; what the model host gives."""

from __future__ import annotations

import json
import sys
from contextlib import aclosing
from functools import partial
from pathlib import Path

import anyio
import attrs
import cattrs
import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from engine.bench.problems import load_problems
from engine.bench.runner import Result, Summary, run_problems, summarise
from engine.bench.verify import Machine, Measured, measure
from engine.cli.main import PASSED
from engine.config import STRATEGIES, Settings
from engine.errors import ConfigError
from engine.machine.cpus import usable_cores
from engine.models import store
from engine.verification.interpreter import probe


@click.group()
def bench() -> None:
    """Measure strategies on a problem set."""


@bench.command("run")
@click.option("--problems", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Problem set: JSON Lines, may be gzipped.")  # fmt: skip
@click.option("--strategy", default="full", metavar="A,B", help=f"Of {', '.join(STRATEGIES)}.")
@click.option("--model", help="Model to use.")
@click.option("--seconds", type=click.FloatRange(min=1), help="Budget of one problem.")
@click.option("--candidates", type=click.IntRange(min=1), help="Candidates of one problem, at most.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, help="Repeat with so many seeds.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many problems.")
@click.option("--python", help="Python that runs the tests; Greenfinch's own by default.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
              help="Folder for the results; what it already holds is not run again.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object a problem, then one a summary.")
def run(
    problems: Path,
    strategy: str,
    model: str | None,
    seconds: float | None,
    candidates: int | None,
    seeds: int,
    limit: int | None,
    python: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Run problems through strategies: solved by the visible tests, and truly, by hidden ones kept from the run."""
    strategies = strategy.split(",")
    if unknown := [name for name in strategies if name not in STRATEGIES]:
        raise ConfigError(f"There is no strategy {unknown[0]!r}.", remedy=f"There are: {', '.join(STRATEGIES)}.")
    options = {"model": model, "budget_seconds": seconds, "candidates": candidates, "python": python or sys.executable}
    settings = Settings.load().updated(options, source="command line")
    chosen = load_problems(problems)[:limit]
    results = _earlier(out)
    done = frozenset((result.id, result.strategy, result.seed) for result in results)
    console = Console(stderr=as_json, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        total = len(chosen) * len(strategies) * seeds
        task = progress.add_task("problems", total=total, completed=min(len(done), total))

        def report(result: Result) -> None:
            results.append(result)
            line = json.dumps(attrs.asdict(result))
            if out is not None:
                with (out / "results.jsonl").open("a", encoding="utf-8") as file:
                    file.write(f"{line}\n")
            if as_json:
                print(line, flush=True)
            else:
                mark = "solved" if result.solved else f"not solved: {result.reason}"
                progress.print(f"{result.id} {result.strategy} seed {result.seed}: {mark} ({result.seconds:.1f} s)")
            progress.advance(task)

        work = partial(run_problems, chosen, strategies, settings, range(seeds), report, done=done)
        anyio.run(work)
    summaries = summarise(results)
    if as_json:
        for summary in summaries:
            print(json.dumps({"summary": True, **attrs.asdict(summary)}), flush=True)
    else:
        console.print(_table(summaries))
    sys.exit(PASSED)


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


@bench.command("host")
@click.option("--n", "sizes", default="1,2,4,8,16", metavar="N,N", help="Candidates at once.")
@click.option("--model", help="Model to use.")
@click.option("--tokens", type=click.IntRange(min=2), default=48, help="Tokens of each candidate, at most.")
@click.option("--repeat", type=click.IntRange(min=1), default=3, help="Rounds; all kinds take turns in each.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of all kinds; the usable cores by default.")
@click.option("--also", metavar="URL", default="", help="A running server to compare with, such as llama-server.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each N, then one of the machine.")
def host(
    sizes: str, model: str | None, tokens: int, repeat: int, threads: int | None, also: str, as_json: bool
) -> None:
    """Measure the model host: N candidates at once, against llama.cpp without it."""
    from engine.bench import host as bench_host  # with what speaks HTTP, which the other commands do not need

    if not all(size.isdecimal() and 1 <= int(size) <= bench_host.MOST for size in sizes.split(",")):
        raise ConfigError(f"--n cannot be {sizes!r}.", remedy=f"Numbers from 1 to {bench_host.MOST}, with commas.")
    chosen = store.resolve(model or Settings.load().model)
    used = threads or Settings.load().threads or usable_cores()
    machine = bench_host.Machine.of(chosen, used)
    rows: list[bench_host.Measured] = []

    async def work() -> None:
        numbers = [int(size) for size in sizes.split(",")]
        measured = bench_host.measure(chosen, numbers, repeat=repeat, tokens=tokens, threads=used, also=also)
        async with aclosing(measured):
            async for row in measured:
                rows.append(row)
                if as_json:
                    print(json.dumps(attrs.asdict(row)), flush=True)

    anyio.run(work)
    if as_json:
        print(json.dumps({"machine": attrs.asdict(machine)}), flush=True)
        sys.exit(PASSED)
    console = Console(highlight=False)
    console.print(
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_gb} GB, {machine.system}, load {machine.load}; "
        f"{machine.model} ({machine.model_mb} MB), {machine.threads} threads, "
        f"llama-cpp-python {machine.llama_cpp_python};\nmedians of {repeat} rounds in which all take turns, "
        f"{tokens} tokens a candidate, the prompt known to all; ratio: of the host's rate to that one's"
    )
    table = Table("N", "", "tokens/s", "first done, s", "last done, s", "ratio", "least to greatest")
    for row in rows:
        for kind, rate in row.rate.items():
            ratio = f"{row.ratio[kind]:.2f}" if kind in row.ratio else ""
            spread = "{:.2f} to {:.2f}".format(*row.spread[kind]) if kind in row.spread else ""
            times = (f"{row.first[kind]:.2f}", f"{row.last[kind]:.2f}")
            table.add_row(str(row.n) if kind == bench_host.HOST else "", kind, f"{rate:.1f}", *times, ratio, spread)
    console.print(table)
    sys.exit(PASSED)


def _verdicts(rows: list[Measured]) -> Table:
    table = Table("project", "plain pytest", "cold", "warm", "ratio", "warm in a row", "2 at once", "server", "")
    for row in rows:
        times = (row.cold, row.sandboxed, row.warm, row.warm_at_once, row.two, row.ready)
        cold, sandboxed, warm, in_a_row, two, ready = ("-" if each is None else f"{each * 1e3:.0f}" for each in times)
        ratio = "-" if row.ratio is None else f"{row.ratio:.1f}"
        table.add_row(row.project, cold, sandboxed, warm, ratio, in_a_row, two, ready, row.reason or row.place)
    return table


def _earlier(out: Path | None) -> list[Result]:
    """Results that a broken-off bench left in its folder."""
    if out is None:
        return []
    out.mkdir(parents=True, exist_ok=True)
    file = out / "results.jsonl"
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    return [cattrs.structure(json.loads(line), Result) for line in lines]


def _table(summaries: list[Summary]) -> Table:
    table = Table("strategy", "problems", "solved", "truly", "false passes", "s/problem", "tokens", "candidates", "Wh")
    for row in summaries:
        true = "-" if row.true_solved is None else str(row.true_solved)
        table.add_row(
            row.strategy, str(row.problems), str(row.solved), true, str(row.false_passes),
            f"{row.seconds_per_problem:.1f}", str(row.tokens), str(row.candidates),
            f"{row.energy_wh:.2g} {row.energy_label}",
        )  # fmt: skip
    return table
