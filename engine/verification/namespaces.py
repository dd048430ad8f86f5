"""The level `full`: Linux namespaces that need no privileges, an overlay over the workspace at its original path.

The command sees a root of its own that shows programs and its Python, and nothing else of the disk; it writes to
memory that vanishes with it; there is no network but loopback, no other process, no device.  Where an overlay cannot
be had on the workspace's file system, a copy of it is mounted at the original path instead.  The work is done by
`agent/launcher.py`.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from anyio.abc import Process

from engine.errors import SandboxError
from engine.verification.cell import Command, Ended, Limits, encoded
from engine.verification.environment import clean_environment
from engine.verification.process import ProcessEnd, supervise
from engine.verification.shadow import Shadows
from engine.verification.sight import Openings, home_folder, sight

AGENT = Path(__file__).with_name("agent")
NICE = 5
MOST_OPEN_FILES = 4096
GRACE_SECONDS = 2.0  # the launcher keeps the time limit itself; this much later it is ended from outside

_works: dict[tuple[int, bool], tuple[str, bool]] = {}  # by the device that holds it, and whether it is the user's own


class NamespaceCell:
    """See the module.

    Args:
        overlay: whether the workspace's file system can be the lower layer of an overlay.
        openings: what the user's settings open.
    """

    level = "full"

    def __init__(self, root: Path, *, overlay: bool = True, openings: Openings | None = None) -> None:
        self.root = root
        self.openings = openings or Openings()
        network = "the network is OPEN, as set" if self.openings.network else "no network"
        self.detail = (
            f"{network}; nothing written outside memory; of the disk, programs and the workspace alone are seen; no "
            "other processes; memory, time, processes, disk and output bounded"
        )
        self.overlay = overlay
        self._shadows = None if overlay else Shadows(root)

    async def __aenter__(self) -> NamespaceCell:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shadows:
            await self._shadows.aclose()

    async def run(self, command: Command, on_line: Callable[[str], None]) -> Ended:
        if self._shadows is None:
            return await self._run(command, on_line, None)
        async with self._shadows.borrow() as shadow:
            return await self._run(command, on_line, shadow.path)

    async def _run(self, command: Command, on_line: Callable[[str], None], shadow: Path | None) -> Ended:
        return await run_agent(
            "launcher",
            self.order(command, shadow),
            command,
            environment={**command.environment, "TMPDIR": "/tmp"},  # noqa: S108 - the cell's own
            on_line=on_line,
            end_tree=_kill,
        )

    def order(self, command: Command, shadow: Path | None = None) -> dict[str, Any]:
        """What the launcher is told.  `shadow`: a copy to mount in the workspace's place."""
        seen = sight(self.root, command.visible, self.openings)
        home = home_folder()
        return {
            **common_order(command),
            "cwd": str(command.cwd),
            "root": str(self.root),
            "shadow": str(shadow) if shadow else "",
            "home": str(home) if home else "",
            "shown": seen.shown,
            "links": seen.links,
            "private": seen.private,
            "writable": [os.path.realpath(path) for path in self.openings.write],
            "hidden": [str(path) for path in command.hidden],
            "files": files_of(command),
            "network": self.openings.network,
        }


def files_of(command: Command) -> list[tuple[str, str]]:
    """The command's texts, each byte as one character."""
    return [(str(path), encoded(text).decode("latin-1")) for path, text in command.overlays.items()]


def common_order(command: Command) -> dict[str, Any]:
    """What every agent that runs a command is told of it."""
    limits = command.limits
    return {
        "argv": list(command.argv),
        "stdin": command.request + "\n",
        "inherited": list(command.inherited),
        "nice": NICE,
        "seconds": limits.seconds,
        "processes": limits.processes,
        "disk_bytes": limits.disk_bytes,
        "limits": {
            "memory": limits.memory_bytes,
            "file": limits.file_bytes,
            "processes": limits.processes,
            "cpu": math.ceil(limits.seconds * (os.cpu_count() or 1)) + 1,
            "core": 0,
            "files": MOST_OPEN_FILES,
        },
    }


def start_of(module: str, *arguments: object) -> tuple[str, ...]:
    """The command line that calls `main` of an agent's module, in a package that no project has.

    This process's own Python runs it, without anything of the user's; the C library's functions are all it needs.
    """
    package = "greenfinch_agent"
    code = (
        f"import sys, types; own = types.ModuleType('{package}'); own.__path__ = [sys.argv[1]]; "
        f"sys.modules['{package}'] = own; from {package} import {module} as agent; "
        "agent.main(*map(int, sys.argv[2:]))"
    )
    return (sys.executable, "-I", "-S", "-c", code, str(AGENT), *map(str, arguments))


async def run_agent(
    module: str, order: dict[str, Any], command: Command, *, environment: dict[str, str],
    on_line: Callable[[str], None], end_tree: Callable[[Process], Awaitable[None]],
) -> Ended:  # fmt: skip
    """Let an agent run the command as ordered, and tell how that ended.

    Raises:
        SandboxError: it could not set up the confinement.
    """
    reader, writer = os.pipe()
    try:
        try:
            end = await supervise(
                start_of(module, writer),
                first_line=json.dumps(order),
                hold_stdin=True,  # its closing, by our death if need be, ends the agent
                environment=environment,
                cwd=Path("/"),
                seconds=command.limits.seconds + GRACE_SECONDS,
                output_bytes=command.limits.output_bytes,
                on_line=on_line,
                end_tree=end_tree,
                pass_fds=(writer, *command.inherited),
            )
        finally:
            os.close(writer)
        told: dict[str, Any] = {}
        for line in _read_all(reader).splitlines():
            told.update(json.loads(line))
    finally:
        os.close(reader)
    if "error" in told or not (told or end.timed_out or end.exceeded):
        raise SandboxError(f"The sandbox could not be set up: {told.get('error') or _why(end)}.")
    return Ended(
        status=told.get("status"),
        output=end.output,
        seconds=end.seconds,
        cpu_seconds=float(told.get("cpu_seconds", 0.0)),
        timed_out=end.timed_out or bool(told.get("timed_out")),
        exceeded=end.exceeded or str(told.get("exceeded", "")),
    )


def _why(end: ProcessEnd) -> str:
    """What is to be said of an agent that has told nothing."""
    status = end.status or 0
    ended = f"its process was ended by signal {-status}" if status < 0 else "it told nothing"
    return end.output.strip()[-300:] or ended


async def _kill(process: Process) -> None:
    """The launcher's end is the end of its PID namespace, and so of everything in it."""
    if process.returncode is None:
        process.kill()


def _read_all(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, 65536):
        pieces.append(piece)
    return b"".join(pieces)


async def why_not(root: Path) -> tuple[str, bool]:
    """Why this cell does not work here for the workspace at `root` (empty if it does), and whether overlays do.

    Found out by running a command that must see a text which is not on the disk.  Remembered for each file system.
    """
    status = root.stat()  # noqa: ASYNC240 - one call, on a folder that is in use
    # An overlay cannot copy up what belongs to others: their numbers mean nothing in our user namespace.
    own = (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())
    key = (status.st_dev, own)
    if key not in _works:
        _works[key] = await _try(root, own)
    return _works[key]


async def _try(root: Path, own: bool) -> tuple[str, bool]:
    reason = ""
    # Each twice: what kills a process now and then (memory running short) is no reason to do without for good.
    for overlay in (True, True, False, False) if own else (False, False):
        lines: list[str] = []
        try:
            async with NamespaceCell(root, overlay=overlay) as cell:
                await cell.run(trial_of(root), lines.append)
        except (SandboxError, OSError) as error:
            reason = str(error)
            continue
        if lines == ["seen"]:
            return "", overlay
        reason = "a command in them did not see the text it should"
    return reason, False


def trial_of(root: Path) -> Command:
    """A command that prints `seen` if it sees a text which is not on the disk."""
    probe = root / ".greenfinch-probe"
    return Command(
        argv=("/bin/sh", "-c", f'read -r word < "./{probe.name}" && echo "$word"'),
        cwd=root,
        request="",
        environment=clean_environment(environment={"PATH": os.defpath}),
        limits=Limits(seconds=10.0),
        overlays={probe: "seen\n"},
    )
