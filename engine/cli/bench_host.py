"""`greenfinch bench host`: what the model host gets out of the machine, quiet or busy."""

from __future__ import annotations

import sys

import click
from rich.console import Console
from rich.table import Table

from engine.bench import busy, kinds, results
from engine.bench import host as beside
from engine.cli.main import PASSED
from engine.cli.measuring import rows_of
from engine.config import Settings
from engine.errors import ConfigError
from engine.machine.cpus import usable_cores
from engine.models import store


@click.command("host")
@click.option("--n", "sizes", default="1,2,4,8,16", metavar="N,N", help="Candidates at once.")
@click.option("--model", help="Model to use.")
@click.option("--tokens", type=click.IntRange(min=2), default=48, help="Tokens of each candidate, at most.")
@click.option("--repeat", type=click.IntRange(min=1), default=3, help="Rounds; all kinds take turns in each.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of all kinds; the usable cores by default.")
@click.option("--also", metavar="URL", default="", help="A running server to compare with, such as llama-server.")
@click.option("--busy", "taken", type=click.IntRange(min=0), metavar="CORES",
              help="Keep so many cores busy, and compare with fixed numbers of threads instead.")  # fmt: skip
@click.option("--fixed", metavar="N,N", default="", help="With --busy: only these numbers of threads.")
@click.option("--pool", "pooled", is_flag=True, help="Compare a pool of two hosts with one host instead.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each N, then one of the machine.")
def host(
    sizes: str,
    model: str | None,
    tokens: int,
    repeat: int,
    threads: int | None,
    also: str,
    taken: int | None,
    fixed: str,
    pooled: bool,
    as_json: bool,
) -> None:
    """Measure the model host: N candidates at once, against llama.cpp without it."""
    numbers, counts = _numbers("--n", sizes), _numbers("--fixed", fixed) if fixed else []
    chosen = store.resolve(model or Settings.load().model)
    used = threads or Settings.load().threads or usable_cores()
    machine = results.Machine.of(chosen, used)
    if pooled:
        measured = busy.pools(chosen, numbers, repeat=repeat, tokens=tokens, threads=used)
    elif taken is not None:
        measured = busy.measure(chosen, numbers, repeat=repeat, tokens=tokens, threads=used, taken=taken, fixed=counts)
    else:
        measured = beside.measure(chosen, numbers, repeat=repeat, tokens=tokens, threads=used, also=also)
    rows = rows_of(measured, machine, as_json=as_json)
    console = Console(highlight=False)
    console.print(
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_gb} GB, {machine.system}, load {machine.load}; "
        f"{machine.model} ({machine.model_mb} MB), {machine.threads} threads, "
        f"llama-cpp-python {machine.llama_cpp_python}, {machine.server};\n"
        f"medians of {repeat} rounds in which all take turns, {tokens} tokens a candidate, the prompt known to all; "
        f"ratio: of the rate of {rows[0].subject} to that one's" + (f"; {taken} cores kept busy" if taken else "")
    )
    console.print(_table(rows))
    sys.exit(PASSED)


def _numbers(option: str, text: str) -> list[int]:
    if not all(size.isdecimal() and 1 <= int(size) <= kinds.MOST for size in text.split(",")):
        raise ConfigError(f"{option} cannot be {text!r}.", remedy=f"Numbers from 1 to {kinds.MOST}, with commas.")
    return [int(size) for size in text.split(",")]


def _table(rows: list[results.Measured]) -> Table:
    table = Table("N", "", "tokens/s", "first done, s", "last done, s", "ratio", "least to greatest", "in llama.cpp")
    for row in rows:
        for kind, rate in row.rate.items():
            ratio = f"{row.ratio[kind]:.2f}" if kind in row.ratio else ""
            spread = "{:.2f} to {:.2f}".format(*row.spread[kind]) if kind in row.spread else ""
            times = (f"{row.first[kind]:.2f}", f"{row.last[kind]:.2f}")
            is_subject = kind == row.subject
            decoding = f"{row.decoding:.1%}" if is_subject and row.decoding is not None else ""
            table.add_row(str(row.n) if is_subject else "", kind, f"{rate:.1f}", *times, ratio, spread, decoding)
    return table
