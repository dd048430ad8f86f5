"""Warm runs: a server in the user's interpreter has loaded pytest and installed modules once, and is forked for each.

Confined as a cold run at the level `full` is: the server runs in a cell of its own, each fork in namespaces of its own
inside it (see `agent/warm.py`).  A `Server` is for one judge, and as good as the files, the packages and the
configuration it was started with; `upkeep` decides when there is one, and when it may be used.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import anyio
from anyio import to_thread
from attrs import evolve, frozen

from engine.temporary import temporary_folder
from engine.verification.cell import Command, Ended
from engine.verification.configuration import DECISIVE
from engine.verification.namespaces import AGENT, NamespaceCell, common_order, files_of, start_of
from engine.verification.process import LONGEST_LINE, Output

START_SECONDS = 60.0
GRACE_SECONDS = 2.0  # the fork keeps the time limit itself; this much later the server is ended
READ_SECONDS = 0.02  # between two looks at what a run tells
END_SECONDS = 2.0  # for what a run left to be gone
FOREVER = 10.0**8
SPARES = 2  # forks that wait for a run
TREES = 8  # runs whose memory and processes the server's own cell must have room for
PRINTED = 400

# What of a request only one run is for; a server is for requests that are equal in all else.
OF_ONE_RUN = ("key", "tests", "targets", "stubs", "limits", "limit", "stop_at_first_failure", "decoys", "modules",
              "first", "first_tests")  # fmt: skip

_CODE = (
    "import sys, types; own = types.ModuleType('greenfinch_agent'); own.__path__ = [sys.argv.pop()]; "
    "sys.modules['greenfinch_agent'] = own; from greenfinch_agent import warm; warm.main()"
)

Stamps = Mapping[Path, tuple[int, int, int] | None]


class WarmLostError(Exception):
    """The server, or one fork of it, ended before its run did: nothing is known of the text."""


@frozen
class Spare:
    """A fork that waits for its run: its socket, and the pipes of what it tells and prints."""

    asking: socket.socket
    tells: int
    prints: int

    def close(self) -> None:
        self.asking.close()
        os.close(self.tells)
        os.close(self.prints)


class Server:
    """One fork server.  Several runs at once are allowed; each waits for a spare.

    Attributes:
        place: how far its forks go before they know their text (see `agent/ahead.py`).
    """

    def __init__(self, process: subprocess.Popen[bytes], printed: IO[bytes], control: socket.socket,
                 command: Command) -> None:  # fmt: skip
        self._process = process
        self._printed = printed
        self._control = control
        self._command = command
        self._taking = anyio.Lock()
        self.place = ""

    @classmethod
    async def start(
        cls, cell: NamespaceCell, command: Command, *, modules: Sequence[str], files: Sequence[Path],
        spares: int = SPARES,
    ) -> Server:  # fmt: skip
        """Start a server for runs like `command`.

        Args:
            command: a cold run's, without the text under test.
            modules: names of installed modules to load.
            files: the judge's test files.

        Raises:
            WarmLostError: it cannot be had here; the message says why.
        """
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            folder = temporary_folder()
            printed = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the server's, as long as it lives
        except OSError as error:
            control.close()
            theirs.close()
            raise WarmLostError(f"what it prints cannot be kept: {error.strerror}") from error
        try:
            with theirs:
                order = _server_order(cell, command, theirs.fileno(), modules, files)
                process = await to_thread.run_sync(_launch, command, printed, theirs.fileno())
        except OSError as error:
            control.close()
            printed.close()
            raise WarmLostError(f"it cannot be started: {error}") from error
        server = cls(process, printed, control, command)
        try:
            assert process.stdin is not None  # noqa: S101 - it is a pipe
            await to_thread.run_sync(process.stdin.write, json.dumps(order).encode() + b"\n")
            with anyio.fail_after(START_SECONDS):
                told = await server._receive()
            if "ready" not in told:
                raise WarmLostError(str(told.get("unfit")))
            server.place = told["ready"]
            for _ in range(spares):
                control.send(b"s")
        except (WarmLostError, OSError, TimeoutError) as error:
            words = server.last_words()
            await server.aclose()
            raise WarmLostError(f"{error or 'it did not start in time'} {words}".strip()) from error
        except BaseException:
            await server.aclose()
            raise
        return server

    def last_words(self) -> str:
        """The end of what the server printed."""
        size = os.fstat(self._printed.fileno()).st_size
        return os.pread(self._printed.fileno(), PRINTED, max(0, size - PRINTED)).decode("utf-8", "replace").strip()

    async def aclose(self) -> None:
        """End the server and everything that was forked from it."""
        self._control.close()
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(_end, self._process)
        self._printed.close()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def unlike(self, command: Command, fixed: Sequence[Path]) -> str:
        """Why a run of the command by this server might not mean what a cold one does; empty if it does.

        Args:
            fixed: files that a fork may have read before it knows the command's texts.
        """
        own = self._command
        if (command.cwd, command.environment) != (own.cwd, own.environment):
            return "another folder or environment"
        if command.limits.seconds > own.limits.seconds or evolve(command.limits, seconds=0) != evolve(
            own.limits, seconds=0
        ):
            return "other limits"
        if command.inherited or command.hidden:
            return "descriptors or files of its own"
        asked, known = _of_all(command), _of_all(own)
        other = sorted(name for name in asked.keys() | known.keys() if asked.get(name) != known.get(name))
        if other:
            return f"asked for otherwise: {', '.join(other)}"
        if self.place != "main" and not command.overlays.keys().isdisjoint(fixed):
            return "an unsaved text that configures the tests"
        return ""

    async def run(self, command: Command, on_line: Callable[[str], None]) -> Ended:
        """As `Cell.run`.

        Raises:
            WarmLostError: it came to nothing.
        """
        async with self._taking:
            spare = await self._take(command.limits.seconds)
        try:
            return await self._run(spare, command, on_line)
        finally:
            spare.close()
            with contextlib.suppress(OSError):  # it has ended: the next run finds out
                self._control.send(b"s", socket.MSG_DONTWAIT)

    async def _run(self, spare: Spare, command: Command, on_line: Callable[[str], None]) -> Ended:
        started = time.perf_counter()
        limits = command.limits
        given = json.loads(command.request)
        message = {
            "order": {"files": files_of(command), "seconds": limits.seconds},
            "request": {name: given[name] for name in OF_ONE_RUN if name in given},
        }
        output, lines, exceeded = Output(), 0, ""
        told: dict[str, Any] = {}
        bounded = anyio.CancelScope(deadline=anyio.current_time() + limits.seconds + GRACE_SECONDS)

        def too_much() -> None:
            nonlocal exceeded
            exceeded = "output"
            bounded.cancel()

        def printed(data: bytes) -> None:
            output.add(data)
            if output.count > limits.output_bytes:
                too_much()

        pending = b""

        def said(data: bytes) -> None:
            nonlocal pending, lines
            lines += len(data)
            if lines > limits.output_bytes or len(pending) > LONGEST_LINE:
                too_much()
                return
            *whole, pending = (pending + data).split(b"\n")
            for line in whole:
                on_line(line.decode("utf-8", "replace"))

        pumps = anyio.CancelScope(shield=True), anyio.CancelScope(shield=True)
        ended = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(_pump, spare.tells, said, pumps[0], ended)
            group.start_soon(_pump, spare.prints, printed, pumps[1], ended)
            try:
                with bounded:
                    await _send(spare.asking, json.dumps(message).encode() + b"\n")
                    await _listen(spare.asking, told)
            finally:
                ended.set()
                spare.asking.shutdown(socket.SHUT_RDWR)  # its end is the end of all processes of the run
                for pump in pumps:  # even if this is cancelled: until nothing of the run is there to write
                    pump.deadline = anyio.current_time() + END_SECONDS
        if any(pump.cancelled_caught for pump in pumps):
            await self.aclose()
        timed_out = bool(told.get("timed_out")) or (bounded.cancelled_caught and not exceeded)
        if "error" in told or not (told.keys() & {"status", "timed_out", "exceeded"} or timed_out or exceeded):
            raise WarmLostError(str(told.get("error") or "a fork of it ended"))
        return Ended(
            status=told.get("status"),
            output=output.text(),
            seconds=time.perf_counter() - started,
            cpu_seconds=float(told.get("cpu_seconds", 0.0)),
            timed_out=timed_out,
            exceeded=exceeded or str(told.get("exceeded", "")),
            warm=True,
        )

    async def _take(self, seconds: float) -> Spare:
        """The next spare.  Raises: WarmLostError, if the server has ended."""
        try:
            with anyio.fail_after(seconds):
                await anyio.wait_readable(self._control)
            _, descriptors, _, _ = socket.recv_fds(self._control, 1 << 16, 3)
        except (OSError, TimeoutError) as error:
            raise WarmLostError(f"the server does not answer: {error}") from error
        if len(descriptors) != 3:
            for descriptor in descriptors:
                os.close(descriptor)
            raise WarmLostError("the server has ended")
        asking, tells, prints = descriptors
        for descriptor in descriptors:
            os.set_blocking(descriptor, False)
        return Spare(socket.socket(fileno=asking), tells, prints)

    async def _receive(self) -> dict[str, Any]:
        await anyio.wait_readable(self._control)
        data = self._control.recv(1 << 16)
        if not data:
            raise WarmLostError("the server ended as it started")
        told: dict[str, Any] = json.loads(data)
        return told


def _server_order(
    cell: NamespaceCell, command: Command, control: int, modules: Sequence[str], files: Sequence[Path]
) -> dict[str, Any]:
    """What the launcher is told of the server, and on its stdin the server of the runs."""
    fixed = fixed_files(cell.root, files)
    conftests = [path for path in fixed if path.name == "conftest.py" and path.is_file()]
    bare = evolve(command, overlays={}, request="", inherited=())
    of_runs = cell.order(bare)  # which have the server's own priority already
    told = {
        "descriptor": control,
        "order": {**{name: value for name, value in of_runs.items() if name not in ("argv", "stdin")}, "nice": 0},
        "request": _of_all(command),
        "modules": list(modules),
        "fixed": [str(path) for path in fixed],
        "compiled": [str(path) for path in (*conftests, *files)],
        "ahead": command.overlays.keys().isdisjoint(fixed),
    }
    limits = evolve(
        command.limits,
        seconds=FOREVER,
        memory_bytes=TREES * command.limits.memory_bytes,
        processes=TREES * command.limits.processes,
    )
    argv = (command.argv[0], "-c", _CODE, str(AGENT))
    server = evolve(bare, argv=argv, request=json.dumps(told), inherited=(control,), limits=limits)
    return {**of_runs, **common_order(server), "nesting": True}


def _of_all(command: Command) -> dict[str, Any]:
    """What a request has in common with those of other runs."""
    return {name: value for name, value in json.loads(command.request).items() if name not in OF_ONE_RUN}


def fixed_files(root: Path, files: Sequence[Path]) -> tuple[Path, ...]:
    """What configures the tests in `files`: read before a test file is, and the same for every candidate."""
    folders = {folder: None for file in files for folder in file.parents if folder.is_relative_to(root)}
    return tuple(folder / name for folder in sorted(folders) for name in DECISIVE)


def stamps_of(paths: Sequence[Path]) -> Stamps:
    """What changes when one of the files does: time, size and number; None where there is none."""
    found: dict[Path, tuple[int, int, int] | None] = {}
    for path in paths:
        try:
            stat = path.stat()
            found[path] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except OSError:
            found[path] = None
    return found


def _launch(command: Command, printed: IO[bytes], control: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own launcher
        start_of("launcher", printed.fileno()),  # what becomes of it is told where its errors are
        stdin=subprocess.PIPE,  # its closing, by our death if need be, ends the launcher
        stdout=subprocess.DEVNULL,
        stderr=printed,
        env={**command.environment, "TMPDIR": "/tmp"},  # noqa: S108 - the cell's own
        cwd="/",
        start_new_session=True,
        pass_fds=(control, printed.fileno()),
        bufsize=0,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """The launcher's end is the end of its PID namespace, and so of everything in it."""
    process.kill()
    process.wait()
    if process.stdin:
        process.stdin.close()


async def _pump(descriptor: int, take: Callable[[bytes], None], scope: anyio.CancelScope, ended: anyio.Event) -> None:
    """Read until all that could write have ended.  Not each line as it comes: on a few cores, that would take the tests
    theirs each time.
    """
    with scope:
        while True:
            await anyio.wait_readable(descriptor)
            data = os.read(descriptor, 1 << 16)
            if not data:
                return
            take(data)
            if len(data) < 1 << 12:
                with anyio.move_on_after(READ_SECONDS):
                    await ended.wait()


async def _send(asking: socket.socket, data: bytes) -> None:
    try:
        while data:
            try:
                data = data[asking.send(data) :]
            except BlockingIOError:
                await anyio.wait_writable(asking)
    except (BrokenPipeError, ConnectionResetError):
        return  # it has ended, and told why


async def _listen(asking: socket.socket, told: dict[str, Any]) -> None:
    """Take what is told until the run has ended."""
    received = b""
    while "cpu_seconds" not in told and "error" not in told:
        await anyio.wait_readable(asking)
        try:
            data = asking.recv(1 << 16)
        except ConnectionResetError:
            return
        if not data:
            return
        *whole, received = (received + data).split(b"\n")
        for line in whole:
            told.update(json.loads(line))
