"""The cell that works everywhere: tests run in a copy of the workspace, and are ended with all they started.

It protects the user's tree from tests that write where they stand; it does not hold a candidate that means harm, and
says so in `detail`.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import psutil
from anyio import to_thread
from anyio.abc import Process

from engine.errors import SandboxError
from engine.verification.cell import Command, Ended, encoded
from engine.verification.process import supervise
from engine.verification.shadow import Shadow, Shadows

LIMITS = Path(__file__).with_name("agent") / "limits.py"
NICE = 5
MARK = "GREENFINCH_CELL"  # a variable that every process of a run inherits


class CopyCell:
    """See the module.  `reason`: why the stronger cell is not used."""

    level = "copy"

    def __init__(self, root: Path, reason: str = "") -> None:
        self.root = root
        self.detail = (
            "your files are protected from tests that write where they stand, time and output are bounded; network, "
            "home folder and other files are NOT closed to the code under test" + (f" ({reason})" if reason else "")
        )
        self._shadows = Shadows(root)

    async def __aenter__(self) -> CopyCell:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._shadows.aclose()

    async def run(self, command: Command, on_line: Callable[[str], None]) -> Ended:
        async with self._shadows.borrow() as shadow:
            with tempfile.TemporaryDirectory(prefix="greenfinch-", ignore_cleanup_errors=True) as temporary:
                return await self._run(command, on_line, shadow, temporary)

    async def _run(self, command: Command, on_line: Callable[[str], None], shadow: Shadow, temporary: str) -> Ended:
        def moved(path: Path) -> Path:
            return shadow.path / path.relative_to(self.root) if path.is_relative_to(self.root) else path

        def told(text: str) -> str:
            return text.replace(json.dumps(str(shadow.path))[1:-1], json.dumps(str(self.root))[1:-1])

        for path, text in command.overlays.items():
            await to_thread.run_sync(_write, moved(path), text, shadow.path)
        mark = uuid.uuid4().hex
        own = [str(folder) for folder in (shadow.path, shadow.path / "src") if folder.is_dir()]
        given = [str(moved(Path(part))) for part in command.environment.get("PYTHONPATH", "").split(os.pathsep) if part]
        environment = {
            **command.environment,
            MARK: mark,
            "PYTHONPATH": os.pathsep.join([*own, *given]),
            "TMPDIR": temporary,
            "TEMP": temporary,
            "TMP": temporary,
        }
        usage = Path(temporary, "usage")
        cpu_seconds = 0.0

        def count_and_end(process: Process) -> None:
            nonlocal cpu_seconds
            cpu_seconds = float(usage.read_text() or 0) if usage.is_file() else _cpu_seconds(process)
            _end_tree(process, mark)

        async def end_tree(process: Process) -> None:
            await to_thread.run_sync(count_and_end, process)

        limits = command.limits
        bounds = {
            "memory": limits.memory_bytes,
            "file": limits.file_bytes,
            "cpu": math.ceil(limits.seconds * (os.cpu_count() or 1)) + 1,
            "nice": NICE,
        }
        argv = list(command.argv)
        if sys.platform != "win32":
            argv = [sys.executable, "-I", "-S", str(LIMITS), json.dumps(bounds), str(usage), *argv]
        try:
            end = await supervise(
                argv,
                first_line=command.request,
                hold_stdin=False,
                environment=environment,
                cwd=moved(command.cwd),
                seconds=limits.seconds,
                output_bytes=limits.output_bytes,
                on_line=lambda line: on_line(told(line)),
                end_tree=end_tree,
            )
        except OSError as error:
            raise SandboxError(f"{command.argv[0]} could not be started: {error}.") from error
        return Ended(
            status=None if end.timed_out or end.exceeded else end.status,
            output=end.output.replace(str(shadow.path), str(self.root)),
            seconds=end.seconds,
            cpu_seconds=cpu_seconds,
            timed_out=end.timed_out,
            exceeded=end.exceeded,
        )


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


def _end_tree(process: Process, mark: str) -> None:
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
