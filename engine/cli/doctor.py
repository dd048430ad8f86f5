"""`greenfinch doctor`: what was found on this machine, and what to do about what was not."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import click
from attrs import asdict, frozen

from engine import version
from engine.cli.main import FAILED, PASSED
from engine.cli.places import workspace_root
from engine.config import SANDBOX_LEVELS, Settings, user_file
from engine.errors import GreenfinchError


@frozen
class Finding:
    """One thing that was looked at.

    Attributes:
        ok: a run can do with what was found.
        remedy: a command or a sentence, where something is missing or, with `ok`, could be wanted.
    """

    what: str
    ok: bool
    found: str
    remedy: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The workspace's folder.")
def doctor(as_json: bool, root: Path | None) -> None:
    """Say what Greenfinch found: interpreter, test framework, model, sandbox, versions; each with its remedy."""
    findings = anyio.run(examine, (root or workspace_root(Path.cwd() / "x")).resolve())
    if as_json:
        click.echo(json.dumps({"findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            mark = "MISS" if not finding.ok else "note" if finding.remedy else "ok  "
            click.echo(f"{mark} {finding.what}: {finding.found}")
            if finding.remedy:
                click.echo(f"       -> {finding.remedy}")
    sys.exit(PASSED if all(finding.ok for finding in findings) else FAILED)


async def examine(root: Path) -> list[Finding]:
    """Everything that a run in this workspace would need."""
    findings = [
        Finding("greenfinch", True, f"{version()} (Python {platform.python_version()})"),
        Finding("settings", True, f"{user_file()}{'' if user_file().is_file() else ' (not there: defaults)'}"),
    ]
    settings = Settings.load()
    findings.append(Finding("workspace", True, str(root)))
    checks: list[tuple[str, Callable[[Settings, Path], Awaitable[Finding]]]] = [
        ("your Python", _interpreter), ("sandbox", _sandbox), ("model", _model), ("model host", _host),
    ]  # fmt: skip
    for what, check in checks:
        try:
            findings.append(await check(settings, root))
        except GreenfinchError as error:
            findings.append(Finding(what, False, error.what, error.remedy))
    return findings


async def _interpreter(settings: Settings, root: Path) -> Finding:
    from engine.verification.interpreter import find_interpreter

    python = await find_interpreter(root, root / "x.py", setting=settings.python, hint="")
    remedy = "" if "pytest" in python.frameworks else python.needs_pytest().remedy
    return Finding("your Python", True, f"{python.label}", remedy)


async def _sandbox(settings: Settings, root: Path) -> Finding:
    from engine.verification.confinement import better, open_cell, openings_of

    async with await open_cell(root, openings=openings_of(settings)) as cell:
        enough = SANDBOX_LEVELS.index(cell.level) <= SANDBOX_LEVELS.index(settings.sandbox_least)
        remedy = "" if cell.level == SANDBOX_LEVELS[0] else better()
        return Finding("sandbox", enough, f"{cell.level}: {cell.detail}", remedy)


async def _model(settings: Settings, root: Path) -> Finding:
    from engine.models import store

    if settings.servers:
        return Finding("model", True, f"{settings.model} at {', '.join(settings.servers)}")
    model = store.resolve(settings.model)
    return Finding("model", True, f"{model.name} ({model.path})")


async def _host(settings: Settings, root: Path) -> Finding:
    from importlib.metadata import version as installed_version

    return Finding("llama.cpp", True, f"llama-cpp-python {installed_version('llama-cpp-python')}")
