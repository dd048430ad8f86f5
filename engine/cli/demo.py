"""`greenfinch demo`: a small sample project, implemented before your eyes in a temporary folder."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import AbstractContextManager
from importlib import resources
from pathlib import Path

import anyio
import click
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from engine.cli.files import replace_text
from engine.cli.implement import run_and_show
from engine.cli.main import FAILED, PASSED
from engine.config import Settings
from engine.errors import GreenfinchError, ModelMissingError
from engine.events import Outcome
from engine.models import catalogue, store
from engine.session import ImplementRequest
from engine.temporary import temporary_folder
from engine.wording import counted

_STUBS = ("word_counts", "roman", "caesar", "truncate")  # of growing difficulty
_ENOUGH = 3  # the last stub is meant to be hard for the smallest model
_CANDIDATES = 16


@click.command()
@click.option("--model", help="Model to use: a catalogue name or a GGUF file.")
@click.option("--yes", is_flag=True, help="Pull the model without asking, if it is missing.")
@click.option("--seed", type=int, metavar="N", help="Make the samples repeatable.")
def demo(model: str | None, yes: bool, seed: int | None) -> None:
    """Implement the stubs of a small sample project with a local model, live.

    Nothing of yours is touched: the project is copied to a temporary folder.
    """
    # The sample project is Greenfinch's own, so its tests run in Greenfinch's own Python.
    options = {"model": model, "python": sys.executable, "candidates": _CANDIDATES}
    settings = Settings.load().updated(options, source="command line")
    console = Console(highlight=False, markup=False)  # a folder's name may look like markup
    anyio.run(_need_sandbox, settings)
    if not settings.servers:
        _need_model(console, settings.model, yes)
    project = _sample_project()
    console.print(f"A sample project with {len(_STUBS)} stubs and their tests lies in {project}")
    outcomes: list[Outcome] = []
    for stub in _STUBS:
        console.print(Rule(style="dim"))
        request = ImplementRequest(project, project / "textkit.py", stub, seed=seed)
        outcome = anyio.run(run_and_show, settings, request, False)
        if outcome.passed:
            replace_text(request.path, outcome.base, outcome.text)
        outcomes.append(outcome)
    console.print(Rule(style="dim"))
    solved = sum(outcome.passed for outcome in outcomes)
    console.print(_summary(outcomes, solved), f"\nThe project with its winners: {project}")
    sys.exit(PASSED if solved >= _ENOUGH else FAILED)


def _sample() -> AbstractContextManager[Path]:
    return resources.as_file(resources.files("engine.cli") / "demo_project")


def _sample_project() -> Path:
    try:
        project = Path(tempfile.mkdtemp(prefix="greenfinch-demo-", dir=temporary_folder())) / "textkit"
        with _sample() as sample:
            shutil.copytree(sample, project, ignore=shutil.ignore_patterns("__pycache__"))
    except OSError as error:
        raise GreenfinchError(
            f"The sample project cannot be written: {getattr(error, 'strerror', None) or error}.",
            remedy="Make room, or set TMPDIR to a folder with more.",
        ) from error
    return project


async def _need_sandbox(settings: Settings) -> None:
    """Say that nothing can be tested here before a model is pulled for it."""
    from engine.verification.confinement import open_cell, openings_of

    with _sample() as sample:
        await open_cell(sample, least=settings.sandbox_least, openings=openings_of(settings))


def _need_model(console: Console, setting: str, yes: bool) -> None:
    """Pull the model if it is missing; ask first, if there is somebody to ask."""
    try:
        store.resolve(setting)
    except ModelMissingError as error:
        name = catalogue.load().default if setting == "auto" else setting
        if not yes and sys.stdin.isatty() and not click.confirm(f"{error.what} Pull it now?", default=True):
            raise
        from engine.cli.models import pull_and_show

        pull_and_show(name, console)


def _summary(outcomes: list[Outcome], solved: int) -> Text:
    seconds = sum(outcome.seconds for outcome in outcomes)
    tokens = sum(outcome.tokens for outcome in outcomes)
    candidates = sum(outcome.candidates for outcome in outcomes)
    energy = sum(outcome.energy_wh for outcome in outcomes)
    labels = ", ".join(sorted({outcome.energy_label for outcome in outcomes}))
    return Text(
        f"{solved} of {len(outcomes)} stubs solved: {counted(candidates, 'candidate')}, {counted(tokens, 'token')}, "
        f"{seconds:.0f} s, {energy:.2g} Wh ({labels})",
        style="bold",
    )
