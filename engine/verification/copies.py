"""The level `limits-only`, which works everywhere: a copy of the workspace, and an end for all that tests started.

It protects the user's tree from tests that write where they stand; it does not hold a candidate that means harm, and
says so in `detail`.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from anyio import to_thread
from anyio.abc import Process
from attrs import evolve, field, frozen

from engine.errors import SandboxError
from engine.temporary import temporary_folder
from engine.verification.cell import Command, Ended, encoded
from engine.verification.process import supervise
from engine.verification.shadow import Shadows, copying

AGENT = Path(__file__).with_name("agent")
LIMITS, REDIRECT = AGENT / "limits.py", AGENT / "moved"
NICE = 5
MARK = "GREENFINCH_CELL"  # a variable that every process of a run inherits


@frozen
class Placed:
    """A command whose workspace is a copy.

    Attributes:
        copy: of the workspace. temporary: a folder of the command's own; both may be written to, and vanish.
        mark: value of the variable MARK in the command's environment.
    """

    command: Command
    root: Path
    copy: Path
    temporary: Path
    mark: str = field(factory=lambda: uuid.uuid4().hex)

    def moved(self, path: Path) -> Path:
        """Where a path of the workspace lies in the copy."""
        return self.copy / path.relative_to(self.root) if path.is_relative_to(self.root) else path

    def told(self, text: str) -> str:
        """What the command printed, with the workspace's own path in the place of the copy's."""
        quoted = text.replace(json.dumps(str(self.copy))[1:-1], json.dumps(str(self.root))[1:-1])
        return quoted.replace(str(self.copy), str(self.root))

    def environment(self) -> dict[str, str]:
        """The command's, with imports and temporary files redirected to the copy and the temporary folder."""
        own = [str(folder) for folder in (self.copy, self.copy / "src") if folder.is_dir()]
        paths = [part for part in self.command.environment.get("PYTHONPATH", "").split(os.pathsep) if part]
        return {
            **self.command.environment,
            MARK: self.mark,
            "GREENFINCH_ORIGINAL": str(self.root),
            "GREENFINCH_COPY": str(self.copy),
            "PYTHONPATH": os.pathsep.join([str(REDIRECT), *own, *(str(self.moved(Path(part))) for part in paths)]),
            **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.temporary)),
        }

    def prepare(self) -> None:
        """Hide what this command must not see, and put its texts in place."""
        for path in self.command.hidden:
            _remove(self.moved(path), self.copy)
        for path, text in self.command.overlays.items():
            _write(self.moved(path), text, self.copy)


class CopyCell:
    """See the module.  `reason`: why no stronger cell is used."""

    level = "limits-only"

    def __init__(self, root: Path, reason: str = "") -> None:
        self.root = root
        self.detail = (
            "your files are protected from tests that write where they stand, time and output are bounded; network, "
            "home folder and other files are NOT closed to the code under test" + (f" ({reason})" if reason else "")
        )
        self._shadows = Shadows(root)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._shadows.aclose()

    async def run(self, command: Command, on_line: Callable[[str], None]) -> Ended:
        async with self._shadows.borrow() as shadow:
            with copying(self.root):
                folder = tempfile.TemporaryDirectory(
                    prefix="greenfinch-", dir=temporary_folder(), ignore_cleanup_errors=True
                )
            with folder as temporary:
                placed = Placed(command, self.root, shadow.path, Path(temporary))
                with copying(self.root):
                    await to_thread.run_sync(placed.prepare)
                ended = await self._run(placed, lambda line: on_line(placed.told(line)))
                return evolve(ended, output=placed.told(ended.output))

    async def _run(self, placed: Placed, on_line: Callable[[str], None]) -> Ended:
        command, limits = placed.command, placed.command.limits
        usage = placed.temporary / "usage"
        cpu_seconds = 0.0

        def count_and_end(process: Process) -> None:
            nonlocal cpu_seconds
            cpu_seconds = float(usage.read_text() or 0) if usage.is_file() else _cpu_seconds(process)
            end_marked(process, placed.mark)

        async def end_tree(process: Process) -> None:
            await to_thread.run_sync(count_and_end, process)

        bounds = {
            "memory": limits.memory_bytes,
            "file": limits.file_bytes,
            "cpu": math.ceil(limits.seconds * (os.cpu_count() or 1)) + 1,
            "nice": NICE,
            "inherited": command.inherited,
        }
        argv = list(command.argv)
        if sys.platform != "win32":
            argv = [sys.executable, "-I", "-S", str(LIMITS), json.dumps(bounds), str(usage), *argv]
        try:
            end = await supervise(
                argv,
                first_line=command.request,
                hold_stdin=False,
                environment=placed.environment(),
                cwd=placed.moved(command.cwd),
                seconds=limits.seconds,
                output_bytes=limits.output_bytes,
                on_line=on_line,
                end_tree=end_tree,
                pass_fds=command.inherited,
            )
        except OSError as error:
            raise SandboxError(f"{command.argv[0]} could not be started: {error}.") from error
        return Ended(
            status=None if end.timed_out or end.exceeded else end.status,
            output=end.output,
            seconds=end.seconds,
            cpu_seconds=cpu_seconds,
            timed_out=end.timed_out,
            exceeded=end.exceeded,
        )


def _remove(path: Path, shadow: Path) -> None:
    if not path.is_relative_to(shadow):
        return  # a copy cannot hide what is not in it
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _write(path: Path, text: str, shadow: Path) -> None:
    if not path.is_relative_to(shadow):
        raise SandboxError(
            f"{path} lies outside the workspace, and a copy of the workspace cannot hold its unsaved text.",
            remedy="Save it first.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # it may be a link to the original
    path.write_bytes(encoded(text))


def _cpu_seconds(process: Process) -> float:
    """Of a process that still runs and its children, in seconds."""
    try:
        top = psutil.Process(process.pid)
        return sum(sum(each.cpu_times()[:2]) for each in (top, *top.children(recursive=True)))
    except psutil.Error:
        return 0.0  # it has ended


def end_marked(process: Process, mark: str) -> None:
    """Kill the process, its descendants, and whatever else carries the run's mark.

    A descendant that has left the tree (its parent ended, a session of its own) is found by the mark in its
    environment.  Repeated until nothing is found, for a process may fork while it is looked for.
    """
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        if sys.platform != "win32":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        elif process.returncode is None:
            process.kill()
        found = [other for other in psutil.process_iter() if _is_marked(other, mark)]
        if not found:
            break
        for other in found:
            try:
                other.kill()
            except psutil.Error:
                continue
        time.sleep(0.01)  # not psutil's wait: it would take the exit status away from the event loop


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return bool(process.environ().get(MARK) == mark) and bool(process.status() != psutil.STATUS_ZOMBIE)
    except (psutil.Error, OSError):
        return False
