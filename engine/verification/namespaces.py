"""The cell on Linux: namespaces that need no privileges, an overlay over the workspace at its original path.

Nothing can be written but in memory that vanishes with the run; there is no network but loopback, no other process,
no device, no secret of the home folder.  Where an overlay cannot be had on the workspace's file system, a copy of it
is mounted at the original path instead.  The work is done by `agent/launcher.py`.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from anyio.abc import Process

from engine.errors import SandboxError
from engine.verification.cell import Command, Ended, Limits, encoded
from engine.verification.environment import clean_environment
from engine.verification.process import supervise
from engine.verification.shadow import Shadows

LAUNCHER = Path(__file__).with_name("agent") / "launcher.py"
NICE = 5
GRACE_SECONDS = 2.0  # the launcher keeps the time limit itself; this much later it is ended from outside

MASKED = ("/tmp", "/var/tmp", "/run")  # noqa: S108 - each is replaced by an empty folder
KEPT = ("/run/current-system", "/run/opengl-driver", "/run/wrappers")  # where NixOS has its programs
SECRETS = (
    ".ssh", ".aws", ".azure", ".gnupg", ".kube", ".netrc", ".pypirc", ".npmrc", ".git-credentials", ".vault-token",
    ".docker/config.json", ".config/gh", ".config/gcloud", ".config/git/credentials", ".config/hub",
    ".config/huggingface", ".cache/huggingface/token", ".huggingface/token", ".local/share/keyrings",
    ".password-store", ".mozilla", ".thunderbird", ".config/google-chrome", ".config/chromium", ".electrum",
)  # fmt: skip

_works: dict[tuple[int, bool], tuple[str, bool]] = {}  # by the device that holds it, and whether it is the user's own


class NamespaceCell:
    """See the module.

    Args:
        overlay: whether the workspace's file system can be the lower layer of an overlay.
    """

    level = "namespaces"

    def __init__(self, root: Path, *, overlay: bool = True) -> None:
        self.root = root
        self.detail = (
            "no network, nothing written outside memory, no other processes, no secrets of your home folder; "
            "memory, time, processes and output bounded; the rest of the disk can be read"
        )
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
        reader, writer = os.pipe()
        try:
            try:
                end = await supervise(
                    (sys.executable, "-I", "-S", str(LAUNCHER), str(writer)),
                    first_line=json.dumps(self._order(command, shadow)),
                    hold_stdin=True,  # its closing, by our death if need be, ends the launcher
                    environment={**command.environment, "TMPDIR": "/tmp"},  # noqa: S108 - the cell's own
                    cwd=Path("/"),
                    seconds=command.limits.seconds + GRACE_SECONDS,
                    output_bytes=command.limits.output_bytes,
                    on_line=on_line,
                    end_tree=_kill,
                    pass_fds=(writer,),
                )
            finally:
                os.close(writer)
            told: dict[str, Any] = {}
            for line in _read_all(reader).splitlines():
                told.update(json.loads(line))
        finally:
            os.close(reader)
        if "error" in told or not (told or end.timed_out or end.exceeded):
            raise SandboxError(f"The sandbox could not be set up: {told.get('error') or end.output.strip()[-300:]}.")
        return Ended(
            status=told.get("status"),
            output=end.output,
            seconds=end.seconds,
            cpu_seconds=float(told.get("cpu_seconds", 0.0)),
            timed_out=end.timed_out or bool(told.get("timed_out")),
            exceeded=end.exceeded or str(told.get("exceeded", "")),
        )

    def _order(self, command: Command, shadow: Path | None) -> dict[str, Any]:
        """What the launcher is told."""
        home = Path(os.path.expanduser("~")).resolve()  # noqa: PTH111 - Path.home() raises where there is none
        limits = command.limits
        visible = [str(path) for path in (*command.visible, self.root, *map(Path, KEPT)) if path.exists()]
        return {
            "argv": list(command.argv),
            "stdin": command.request + "\n",
            "cwd": str(command.cwd),
            "root": str(self.root),
            "shadow": str(shadow) if shadow else "",
            "home": str(home) if len(home.parts) > 1 and home.is_dir() else "",
            "files": [(str(path), encoded(text).decode("latin-1")) for path, text in command.overlays.items()],
            "masked": [path for path in MASKED if not Path(path).is_symlink()],
            "kept": visible,
            "hidden": [str(home / name) for name in SECRETS],
            "nice": NICE,
            "seconds": limits.seconds,
            "disk_bytes": limits.disk_bytes,
            "limits": {
                "memory": limits.memory_bytes,
                "file": limits.file_bytes,
                "processes": limits.processes,
                "cpu": math.ceil(limits.seconds * (os.cpu_count() or 1)) + 1,
                "core": 0,
            },
        }


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
    found = root.stat()  # noqa: ASYNC240 - one call, on a folder that is in use
    # An overlay cannot copy up what belongs to others: their numbers mean nothing in our user namespace.
    own = (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
    key = (found.st_dev, own)
    if key not in _works:
        _works[key] = await _try(root, own)
    return _works[key]


async def _try(root: Path, own: bool) -> tuple[str, bool]:
    probe = root / ".greenfinch-probe"
    command = Command(
        argv=("/bin/sh", "-c", f'read -r word < "./{probe.name}" && echo "$word"'),
        cwd=root,
        request="",
        environment=clean_environment(environment={"PATH": os.defpath}),
        limits=Limits(seconds=10.0),
        overlays={probe: "seen\n"},
    )
    reason = ""
    for overlay in (True, False) if own else (False,):
        lines: list[str] = []
        try:
            async with NamespaceCell(root, overlay=overlay) as cell:
                await cell.run(command, lines.append)
        except (SandboxError, OSError) as error:
            reason = str(error)
            continue
        if lines == ["seen"]:
            return "", overlay
        reason = "a command in them did not see the text it should"
    return reason, False
