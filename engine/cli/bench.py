"""`greenfinch bench`: strategies side by side on a problem set; what a verdict costs; what the model host gives."""

from __future__ import annotations

import click

from engine.cli.bench_host import host
from engine.cli.bench_run import run, simulate
from engine.cli.bench_verify import verify


@click.group()
def bench() -> None:
    """Measure strategies on a problem set."""


for command in (run, host, verify, simulate):
    bench.add_command(command)
