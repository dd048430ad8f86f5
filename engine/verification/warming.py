"""Whether there is a warm server for the judge, and whether it may be used: started, tried, watched, replaced.

A server is used only after it has repeated the baseline with the same outcomes.  It is replaced when the tests'
configuration or the installed packages have changed, and once if it ends by itself.  Whatever is amiss, runs are cold
as ever: nobody waits for a server.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import anyio
from anyio.abc import TaskGroup
from attrs import frozen

from engine.verification.base import Verdict
from engine.verification.cell import Cell, Command, Ended
from engine.verification.judging import Told
from engine.verification.namespaces import NamespaceCell
from engine.verification.warm import Server, Stamps, WarmLostError, fixed_files, stamps_of

log = logging.getLogger(__name__)

RESTARTS = 1


@frozen
class Basis:
    """What a server is started with.

    Attributes:
        command: a run of the baseline.
        first: what the baseline found; judged: the verdict over what such a run told.
        modules: installed modules that the baseline had loaded.
        files: the judge's test files. packages: folders and files that change with the interpreter's packages.
    """

    command: Command
    first: Verdict
    judged: Callable[[Told, Ended], Verdict]
    modules: Sequence[str]
    files: Sequence[Path]
    packages: Sequence[Path]


class Warming:
    """See the module.  An asynchronous context manager, whose end is the end of the server.

    Attributes:
        reason: why there is no server that can be used; empty if there is one.
        repeated: what the server's repetition of the baseline found.
    """

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._basis: Basis | None = None
        self._server: Server | None = None
        self._fixed: Sequence[Path] = ()
        self._stamps: Stamps = {}
        self._restarts = RESTARTS
        self._tasks: TaskGroup | None = None
        self._settled = anyio.Event()
        self.reason = "none was asked for"
        self.repeated: Verdict | None = None

    async def __aenter__(self) -> Warming:
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            tasks.cancel_scope.cancel()
            try:
                await tasks.__aexit__(None, None, None)
            finally:
                await self._end_server()

    @property
    def place(self) -> str:
        return self._server.place if self._server else ""

    def start(self, basis: Basis) -> None:
        """Have a server for such runs, soon."""
        self._basis = basis
        self._restarts = RESTARTS
        self._start("it is starting")

    async def settled(self) -> str:
        """Wait until there is a server or it is known why there is none; the reason, empty if there is one."""
        if self._basis is not None:
            await self._settled.wait()
        return self.reason

    async def run(self, command: Command, told: Told) -> Ended | None:
        """Run the command warm; None if it has to be run cold (what `told` has heard then is void)."""
        server = self._server
        if server is None:
            return None
        if not server.is_alive:
            await self._lost("it has ended")
            return None
        if stamps_of(list(self._stamps)) != self._stamps:
            await self._end_server()
            self._start("configuration or packages have changed")
            return None
        if why := server.unlike(command, self._fixed):
            log.info("warm server: not for this run: %s", why)
            return None
        try:
            return await server.run(command, told.feed)
        except WarmLostError as error:
            await self._lost(str(error))
            return None

    async def _lost(self, why: str) -> None:
        await self._end_server()
        if self._restarts:
            self._restarts -= 1
            self._start(why)
        else:
            self._settle(why)

    def _start(self, why: str) -> None:
        log.info("warm server: %s", why)
        self.reason = why
        if self._tasks is not None:
            self._settled = anyio.Event()
            self._tasks.start_soon(self._prepare)

    def _settle(self, reason: str) -> None:
        self.reason = reason
        log.info("warm server: %s", reason or "ready")
        self._settled.set()

    async def _prepare(self) -> None:
        """Start a server and let it repeat the baseline.  Raises nothing: until it ends, runs are cold."""
        await self._end_server()
        basis, cell = self._basis, self._cell
        if basis is None or not isinstance(cell, NamespaceCell) or not cell.overlay:
            self._settle(f"not in a sandbox of this kind ({cell.level})")
            return
        fixed = fixed_files(cell.root, basis.files)
        stamps = stamps_of([*fixed, *basis.packages])
        try:
            server = await Server.start(cell, basis.command, modules=basis.modules, files=basis.files)
        except WarmLostError as error:
            self._settle(str(error))
            return
        try:
            reason = await self._differs(server, basis)
        except BaseException:
            await server.aclose()
            raise
        if reason:
            await server.aclose()
        else:
            self._server, self._fixed, self._stamps = server, fixed, stamps
        self._settle(reason)

    async def _differs(self, server: Server, basis: Basis) -> str:
        """Repeat the baseline; how its outcome differs from the cold one's, if it does."""
        told = Told(key_of(basis.command))
        try:
            ended = await server.run(basis.command, told.feed)
        except WarmLostError as error:
            return str(error)
        self.repeated = basis.judged(told, ended)
        was = {result.id: result.outcome for result in basis.first.results}
        now = {result.id: result.outcome for result in self.repeated.results}
        for test in was.keys() | now.keys():
            if was.get(test) != now.get(test):
                return f"{test} ended otherwise: {now.get(test, 'not run')}, and {was.get(test, 'not run')} before"
        return ""

    async def _end_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.aclose()


def key_of(command: Command) -> str:
    """What marks the results of a run of the command."""
    return str(json.loads(command.request)["key"])
