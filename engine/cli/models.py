"""`greenfinch models`: which models there are, and bringing one onto this machine."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from engine.cli.fit import fit
from engine.cli.optimise import optimise
from engine.models import catalogue, store
from engine.models.catalogue import ModelEntry

if TYPE_CHECKING:
    from rich.console import Console

    from engine.models.pull import Progress

_PLAIN_SECONDS = 5.0


@click.group()
def models() -> None:
    """List, pull, verify and measure models."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(as_json: bool) -> None:
    """List the models of the catalogue, smallest first."""
    known = catalogue.load()
    if as_json:
        for entry in known.models:
            click.echo(json.dumps(_as_json(entry, known.default)))
        return
    click.echo(f"{'name':20} {'size':>8}  {'quantization':12}  {'licence':22} installed")
    for entry in known.models:
        mark = "yes" if store.installed(entry) else "-"
        default = "  (default)" if entry.name == known.default else ""
        size = f"{entry.size / 1e6:,.0f} MB"
        click.echo(f"{entry.name:20} {size:>8}  {entry.quantization:12}  {entry.licence:22} {mark}{default}")
    click.echo(f"Installed models lie in {store.folder()}.")


@models.command()
@click.argument("name")
def pull(name: str) -> None:
    """Download the model NAME, or go on with a download that broke off; it is verified before it is used."""
    from rich.console import Console

    try:
        pull_and_show(name, Console(stderr=True))
    except KeyboardInterrupt:
        click.echo(f"\nStopped.  What arrived is kept; `greenfinch models pull {name}` goes on from there.", err=True)
        sys.exit(130)


@models.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def verify(name: str | None, as_json: bool) -> None:
    """Hash the installed model NAME, or all of them, and compare with the catalogue."""
    results = store.verify(name)
    for result in results:
        if as_json:
            found = {"name": result.name, "path": str(result.path), "size": result.size, "sha256": result.sha256}
            click.echo(json.dumps(found | {"ok": result.ok, "reason": result.reason}))
        else:
            click.echo(f"{result.name}: {'verified' if result.ok else result.reason}  ({result.path})")
    if not results and not as_json:
        click.echo(f"No models are installed in {store.folder()}.")
    bad = [result.name for result in results if not result.ok]
    if bad:
        click.echo(f"Run `greenfinch models pull {bad[0]}` to replace it.", err=True)
        sys.exit(1)


models.add_command(fit)
models.add_command(optimise)


def pull_and_show(name: str, console: Console) -> store.ModelFile:
    """Pull a model and show its licence and progress: a bar on a terminal, else a line every few seconds.

    Raises:
        ModelError: as `engine.models.pull.pull`.
        KeyboardInterrupt: the user has stopped it; what was downloaded is kept.
    """
    from engine.models.pull import pull as fetch

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    entry = catalogue.load().entry(name)
    licence = f"{entry.licence}: {entry.licence_note}" if entry.licence_note else entry.licence
    say(f"{entry.name}, {entry.size / 1e6:,.0f} MB.  Licence: {licence}.  {entry.licence_url}")
    with _bar(console) if console.is_terminal else _lines(say) as progress:
        model = fetch(name, progress=progress, note=say)
    say(f"{model.name} is verified and ready: {model.path}")
    return model


@contextmanager
def _bar(console: Console) -> Iterator[Progress]:
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with RichProgress(*columns, TimeRemainingColumn(), console=console) as shown:
        task = shown.add_task("", total=None)
        yield lambda done, total, activity: shown.update(task, completed=done, total=total, description=activity)


@contextmanager
def _lines(say: Callable[[str], None]) -> Iterator[Progress]:
    shown, activity_shown = time.monotonic(), ""

    def progress(done: int, total: int, activity: str) -> None:
        nonlocal shown, activity_shown
        if activity != activity_shown or time.monotonic() - shown >= _PLAIN_SECONDS:
            shown, activity_shown = time.monotonic(), activity
            say(f"{done / total:4.0%}  {done / 1e6:,.0f} of {total / 1e6:,.0f} MB  {activity}")

    yield progress


def _as_json(entry: ModelEntry, default: str) -> dict[str, object]:
    path = store.installed(entry)
    return {
        "name": entry.name,
        "file": entry.file,
        "size": entry.size,
        "sha256": entry.sha256,
        "quantization": entry.quantization,
        "parameters_billion": entry.parameters,
        "context": entry.context,
        "licence": entry.licence,
        "licence_url": entry.licence_url,
        "default": entry.name == default,
        "installed": path is not None,
        "path": str(path) if path else None,
    }
