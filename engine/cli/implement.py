"""`greenfinch implement`: the main job, from a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import anyio
import click

from engine.cli.files import replace_text
from engine.cli.main import FAILED, PASSED, errors_as_json
from engine.cli.places import parse_target, workspace_root
from engine.config import STRATEGIES, Settings
from engine.events import Event, Outcome, as_json
from engine.session import Engine, ImplementRequest


@click.command()
@click.argument("target", metavar="PATH[:NAME]")
@click.option("--apply", is_flag=True, help="Write the winner into the file.")
@click.option("--model", help="Model to use: a catalogue name or a GGUF file.")
@click.option("--strategy", type=click.Choice(STRATEGIES), help="How candidates are searched for.")
@click.option("--budget", type=click.FloatRange(min=1), metavar="SECONDS", help="End after so many seconds.")
@click.option("--candidates", type=click.IntRange(min=1), metavar="N", help="Try at most so many candidates.")
@click.option("--seed", type=int, metavar="N", help="Make the samples repeatable.")
@click.option("--python", metavar="PATH", help="Python that runs the tests.")
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The workspace's folder.")
@click.option("--json", "as_lines", is_flag=True, help="Print one JSON object a line, the outcome last.")
def implement(
    target: str,
    apply: bool,
    model: str | None,
    strategy: str | None,
    budget: float | None,
    candidates: int | None,
    seed: int | None,
    python: str | None,
    root: Path | None,
    as_lines: bool,
) -> None:
    """Implement the function PATH:NAME (or all stubs of PATH:Class, or of PATH) until its tests pass.

    Without --apply nothing is written: the diff and its proof are shown.
    """
    options = {"model": model, "strategy": strategy, "budget_seconds": budget, "candidates": candidates,
               "python": python}  # fmt: skip
    with errors_as_json(as_lines):
        settings = Settings.load().updated(options, source="command line")
        path, qualname = parse_target(target)
        request = ImplementRequest(workspace_root(path, root), path, qualname, seed=seed)
        outcome = anyio.run(run_and_show, settings, request, as_lines)
        if outcome.passed and apply:
            replace_text(path, outcome.base, outcome.text)
            if not as_lines:
                click.echo(f"Written to {target.rpartition(':')[0] or target}.")
    sys.exit(PASSED if outcome.passed else FAILED)


async def run_and_show(settings: Settings, request: ImplementRequest, as_lines: bool) -> Outcome:
    """One run, told on stdout as it goes on."""
    if as_lines:
        return await _run(settings, request, lambda event: print(json.dumps(as_json(event), default=str), flush=True))
    from rich.console import Console

    from engine.cli.display import RunDisplay, show_outcome

    console = Console(highlight=False)
    with RunDisplay(console) as display:
        outcome = await _run(settings, request, display.show)
    show_outcome(console, outcome)
    return outcome


async def _run(settings: Settings, request: ImplementRequest, show: Callable[[Event], None]) -> Outcome:
    outcome: Outcome | None = None
    async with aclosing(Engine(settings)) as engine, engine.implement(request) as events:
        async for event in events:
            show(event)
            if isinstance(event, Outcome):
                outcome = event
    assert outcome is not None  # noqa: S101 - a stream that ends without error ends with an outcome
    return outcome
