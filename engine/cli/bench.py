"""`greenfinch bench`: strategies side by side on a problem set; what a verdict costs; what the model host gives."""

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

from engine.bench.verify import Machine, Measured, measure
from engine.cli.bench_run import run, simulate
from engine.cli.main import PASSED
from engine.config import Settings
from engine.errors import ConfigError
from engine.machine.cpus import usable_cores
from engine.models import store
from engine.verification.interpreter import probe


@click.group()
def bench() -> None:
    """Measure strategies on a problem set."""


bench.add_command(run)
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
