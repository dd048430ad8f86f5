"""What was found on this machine, and what to do about what was not: the command line's and the editors' doctor."""

from __future__ import annotations

import platform
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

import anyio
from attrs import frozen

from engine import version
from engine.config import SANDBOX_LEVELS, Settings, user_file
from engine.errors import GreenfinchError, ModelError
from engine.machine import devices, gpus
from engine.machine.devices import Build
from engine.machine.gpus import Gpu

_HOST_SECONDS = 2.0
_ENDPOINT_SECONDS = 5.0


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


async def examine(
    root: Path, settings: Settings | None = None, *, python_hint: str = "", trusted: bool = True
) -> list[Finding]:
    """Everything that a run in this workspace would need.

    Args:
        settings: by default the user's own.
        python_hint: the interpreter that the editor has chosen.
        trusted: False leaves out whatever would run something that lies in the workspace.
    """
    file = user_file()
    findings = [
        Finding(
            "greenfinch", True, f"{version()} (Python {platform.python_version()}, {platform.platform(terse=True)})"
        ),
        Finding("settings", True, f"{file}{'' if file.is_file() else ' (not there: defaults)'}"),
        Finding("workspace", True, str(root)),
    ]
    settings = Settings.load() if settings is None else settings

    async def interpreter() -> list[Finding]:
        return await _interpreter(settings, root, python_hint)

    async def sandbox() -> list[Finding]:
        return await _sandbox(settings, root)

    async def model() -> list[Finding]:
        return await _model(settings)

    async def host() -> list[Finding]:
        return await _host(settings)

    async def gpu() -> list[Finding]:
        return [] if settings.servers else await anyio.to_thread.run_sync(gpu_finding)

    checks: list[tuple[str, Callable[[], Awaitable[list[Finding]]]]]
    checks = [("your Python", interpreter), ("sandbox", sandbox), ("model", model), ("model host", host), ("GPU", gpu)]
    if not trusted:
        untrusted = "not trusted: no test runs, and its Python is not looked at"
        findings.append(Finding("workspace trust", False, untrusted, "Trust the workspace in your editor."))
        checks = checks[1:]
    for what, check in checks:
        try:
            findings += await check()
        except GreenfinchError as error:
            findings.append(Finding(what, False, error.what, error.remedy))
    return findings


def markdown(findings: list[Finding]) -> str:
    """The findings as a document."""
    bad = [finding.what for finding in findings if not finding.ok]
    lines = ["# Greenfinch: doctor", ""]
    lines += [f"Missing: {', '.join(bad)}." if bad else "Everything that a run needs is there.", ""]
    for finding in findings:
        mark = "MISSING" if not finding.ok else "note" if finding.remedy else "ok"
        lines.append(f"- **{finding.what}** ({mark}): {finding.found}")
        if finding.remedy:
            lines.append(f"  - what to do: {finding.remedy}")
    return "\n".join(lines) + "\n"


async def _interpreter(settings: Settings, root: Path, hint: str) -> list[Finding]:
    from engine.verification.interpreter import find_interpreter

    python = await find_interpreter(root, root / "x.py", setting=settings.python, hint=hint)
    frameworks = ", ".join(f"{name} {found}".strip() for name, found in python.frameworks.items())
    remedy = "" if "pytest" in python.frameworks else python.needs_pytest().remedy
    return [Finding("your Python", True, python.label), Finding("test framework", True, frameworks, remedy)]


async def _sandbox(settings: Settings, root: Path) -> list[Finding]:
    from engine.verification.confinement import ACCEPT_WEAKER, better, open_cell, openings_of

    async with await open_cell(root, openings=openings_of(settings)) as cell:
        enough = SANDBOX_LEVELS.index(cell.level) <= SANDBOX_LEVELS.index(settings.sandbox_least)
        remedy = "" if cell.level == SANDBOX_LEVELS[0] else better()
        if not enough:
            remedy += f" {ACCEPT_WEAKER}"
        return [Finding("sandbox", enough, f"{cell.level}: {cell.detail}", remedy)]


async def _model(settings: Settings) -> list[Finding]:
    if settings.servers:
        return await _endpoints(settings)
    return [Finding("model", True, await anyio.to_thread.run_sync(_installed, settings))]


def _installed(settings: Settings) -> str:
    from engine.models import store

    model = store.resolve(settings.model)
    return f"{model.name} ({model.path})"


async def _endpoints(settings: Settings) -> list[Finding]:
    """What the endpoints offer, and whether this machine can stand in for them; no host is started for that."""
    from engine.generation.pool import PoolGenerator

    here: list[Finding] = []
    if settings.stands_in:
        try:
            here = [Finding("last resort", True, await anyio.to_thread.run_sync(_installed, settings))]
        except ModelError as error:
            here = [Finding("last resort", True, error.what, error.remedy)]
    async with aclosing(PoolGenerator.of(settings)) as pool:
        asked = await pool.ask(_ENDPOINT_SECONDS)
    down = [member.refusal() for member in asked if member.problem]
    found = [f"{member.model} at {member.where}" for member in asked if not member.problem]
    usable = bool(found or any(not finding.remedy for finding in here))
    told = "; ".join([*found, *(error.what.rstrip(".") for error in down)])
    return [Finding("model", usable, told, down[0].remedy if down else ""), *here]


async def _host(settings: Settings) -> list[Finding]:
    try:
        llama = f"llama-cpp-python {installed_version('llama-cpp-python')}"
    except PackageNotFoundError:
        if not settings.servers:
            return [
                Finding(
                    "model host",
                    False,
                    "llama-cpp-python is not installed",
                    "Install Greenfinch anew, with its dependencies.",
                )
            ]
        return [Finding("model host", True, f"not installed; {', '.join(settings.servers)} is used instead")]
    if settings.servers:
        return [Finding("model host", True, f"{llama}; {', '.join(settings.servers)} is used instead")]
    running = await anyio.to_thread.run_sync(_running_host, settings)
    return [Finding("model host", True, f"{llama}; {running}")]


def gpu_finding(build: Build | None = None, found: Sequence[Gpu] | None = None) -> list[Finding]:
    """Whether a GPU is here that the installed llama.cpp leaves idle, and what makes one that uses it.

    Args:
        build, found: by default what is installed and plugged in.
    """
    build = devices.ask() if build is None else build
    found = gpus.find(build) if found is None else found
    if not found:
        return [Finding("GPU", True, "none found; models run on the CPU")]
    names = ", ".join(f"{gpu.name} ({gpu.total / 1e9:.1f} GB)" if gpu.total else gpu.name for gpu in found)
    if build.gpu:
        return [Finding("GPU", True, f"{names}; used by the installed llama.cpp")]
    remedy = f"With {gpus.rebuild_needs(found[0])} installed: {gpus.rebuild_command(found[0])}"
    return [Finding("GPU", True, f"{names}; the installed llama.cpp is built for the CPU alone", remedy)]


def _running_host(settings: Settings) -> str:
    from engine.generation.launch import is_there, socket_path
    from engine.models import store

    try:
        path = socket_path(store.resolve(settings.model).path, settings)
    except ModelError:
        return "not running; it starts when a run needs it"
    if not is_there(path, _HOST_SECONDS):
        return "not running; it starts when a run needs it"
    return f"running at {path}"
