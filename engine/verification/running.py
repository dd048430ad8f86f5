"""Runs of the agent in a cell: what it is asked, in which interpreter, with which texts in place.

The paths of the caller and those that the tests see may differ, where the workspace is reached through a link;
`Running` knows both.  What comes of a run is for `judging` and `baseline`.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import anyio
from attrs import evolve

from engine.config import Settings
from engine.tasks import both
from engine.verification import command as own_command
from engine.verification.asking import PATIENCE, Message, answers_of
from engine.verification.base import Judge, TestResult
from engine.verification.cell import MIB, Cell, Command, Ended, Limits
from engine.verification.environment import clean_environment
from engine.verification.interpreter import Interpreter
from engine.verification.judging import Told
from engine.verification.sight import needed_by
from engine.verification.warming import Warming

_LEAVE = 1.0  # seconds that an implementation has to end in when nothing more is asked

AGENT = Path(__file__).with_name("agent")


class Running:
    """Runs the agent for one workspace and interpreter.

    Attributes:
        root: the workspace as the tests see it; `given_root` as the caller names it.
    """

    def __init__(
        self, given_root: Path, interpreter: Interpreter, settings: Settings, cell: Cell, warming: Warming
    ) -> None:
        self.given_root, self.root = given_root, given_root.resolve()
        self.interpreter = interpreter
        self.settings = settings
        self.cell = cell
        self.warming = warming

    async def tests(
        self, judge: Judge, texts: Mapping[Path, str], seconds: float, *, targets: Sequence[str] = (),
        stubs: Sequence[str] = (), on_result: Callable[[TestResult], None] | None = None,
        stop_at_first_failure: bool = False, inherited: tuple[int, ...] = (), more: Mapping[str, object] = {},
        warm: bool = False,
    ) -> tuple[Told, Ended]:  # fmt: skip
        """Run the judge's tests.

        Args:
            targets, stubs: names of functions that hold the probe.
            inherited: see `Command`.
            more: of the request; see `agent/runner.py`.
            warm: in a warm server's fork, if there is one.
        """
        key = secrets.token_hex(16)
        command = self.order(
            judge, texts, seconds, key, targets=list(targets), stubs=list(stubs),
            stop_at_first_failure=stop_at_first_failure, **more,
        )  # fmt: skip
        if warm:
            told = Told(key, on_result)
            if (ended := await self.warming.run(command, told)) is not None:
                return told, ended
        told = Told(key, on_result)
        return told, await self.cell.run(evolve(command, inherited=inherited), told.feed)

    def order(self, judge: Judge, texts: Mapping[Path, str], seconds: float, key: str, **more: object) -> Command:
        """A run of the judge's tests; `more`: of the request, see `agent/runner.py`."""
        request = {
            "key": key,
            "framework": judge.framework,
            "files": [self.relative(path, judge) for path in judge.files],
            "tests": judge.tests,
            "doctests": judge.doctests,
            "root": os.path.relpath(self.root, judge.folder),
            "target": os.path.relpath(self.place(judge.target), self.root) if judge.target else "",
            "limits": dict(judge.limits),
            "limit": self.settings.test_timeout_seconds,
            "args": self.settings.test_args,
            **more,
        }
        return evolve(self.command("runner.py", judge.folder, texts, seconds), request=json.dumps(request))

    def command(self, script: str, folder: Path, texts: Mapping[Path, str], seconds: float, *arguments: str) -> Command:
        """One of the agent's scripts in the user's Python."""
        python = self.interpreter
        return Command(
            argv=(str(python.path), str(AGENT / script), *arguments),
            cwd=folder,
            request="",
            environment=clean_environment(python.environment_prefix, python.path, passed=self.settings.test_env),
            limits=Limits(seconds=seconds, memory_bytes=self.settings.test_memory_mb * MIB),
            overlays=texts,
            visible=(AGENT, *needed_by(python)),
        )

    async def nothing(self, texts: Mapping[Path, str]) -> Ended:
        """A command that ends at once."""
        empty = self.command("runner.py", self.root, texts, self.settings.test_timeout_seconds)
        return await self.cell.run(evolve(empty, argv=(shutil.which("true") or sys.executable,)), lambda line: None)

    async def apart(
        self, judge: Judge, caller: Mapping[Path, str], callee: Mapping[Path, str], seconds: float, *, target: Path,
        hidden: tuple[Path, ...], twice: bool, record: bool = False,
    ) -> tuple[Told, Ended]:  # fmt: skip
        """Run the judge's tests in one cell and the implementation that they call in another; see `split`."""
        seen = callee.items()
        texts = {path: text for path, text in seen if not any(path.is_relative_to(each) for each in hidden)}
        tests_end, code_end = socket.socketpair()
        worker = self._worker(judge, texts, seconds, code_end.fileno(), hidden)
        order = {
            "descriptor": tests_end.fileno(),
            "file": str(target.relative_to(self.root)),
            "twice": twice,
            "record": record,
            "hidden": [str(path.relative_to(self.root)) for path in hidden if path.is_relative_to(self.root)],
            "moved": self.cell.level != "full",
        }
        serving = anyio.CancelScope()

        async def serve() -> None:
            with serving:
                await self.cell.run(worker, lambda line: None)
                code_end.shutdown(socket.SHUT_RDWR)  # or the tests would wait for it

        async def test() -> tuple[Told, Ended]:
            try:
                return await self.tests(judge, caller, seconds, inherited=(tests_end.fileno(),), more={"split": order})
            finally:
                serving.cancel()

        with tests_end, code_end:
            found, _ = await both(test, serve)
        return found

    def _worker(
        self, judge: Judge, texts: Mapping[Path, str], seconds: float, descriptor: int, hidden: tuple[Path, ...]
    ) -> Command:
        worker = self.command("worker.py", judge.folder, texts, seconds, str(descriptor))
        root = os.path.relpath(self.root, judge.folder)
        return evolve(worker, request=json.dumps({"root": root}), inherited=(descriptor,), hidden=hidden)

    async def ask(
        self, judge: Judge, callee: Mapping[Path, str], seconds: float, loading: Message, inputs: Sequence[Message],
        hidden: tuple[Path, ...],
    ) -> tuple[list[Message | None], float]:  # fmt: skip
        """Ask an implementation in a cell of its own; see `Verifier.ask`."""
        texts = {path: text for path, text in callee.items() if not any(path.is_relative_to(each) for each in hidden)}
        own_end, code_end = socket.socketpair()
        worker = self._worker(judge, texts, seconds + PATIENCE, code_end.fileno(), hidden)
        serving = anyio.CancelScope()
        took = 0.0

        async def serve() -> None:
            nonlocal took
            with serving:
                took = (await self.cell.run(worker, lambda line: None)).cpu_seconds
                code_end.shutdown(socket.SHUT_RDWR)  # or we would wait for it

        async def converse() -> list[Message | None]:
            try:
                asking = partial(answers_of, own_end.detach(), loading, inputs, seconds)
                return await anyio.to_thread.run_sync(asking, abandon_on_cancel=True)
            finally:
                serving.deadline = anyio.current_time() + _LEAVE  # it ends when nobody is there any more, or hangs

        with code_end:
            found, _ = await both(converse, serve)
        return found, took

    async def own_command(
        self, judge: Judge, texts: Mapping[Path, str], seconds: float, mark: str = ""
    ) -> tuple[Told, Ended]:
        """Run the user's own command; see `command`."""
        words, patterns = own_command.words_of(self.settings)
        key = secrets.token_hex(16)
        request = {"key": key, "argv": words, "files": patterns, "probe": mark}
        own = (Path(sys.executable).parent, Path(sys.prefix), Path(sys.base_prefix))
        order = self.command("command.py", judge.folder, texts, seconds)
        order = evolve(
            order,
            argv=(sys.executable, "-I", "-S", str(AGENT / "command.py")),
            request=json.dumps(request),
            visible=(*order.visible, *own),
        )
        told = Told(key)
        return told, await self.cell.run(order, told.feed)

    def relative(self, file: Path, judge: Judge) -> str:
        """How the ids of the judge's tests name a file."""
        return self.place(file).relative_to(judge.folder).as_posix()

    def place(self, path: Path) -> Path:
        """The path as the tests see it: the workspace's own links followed, the file's kept."""
        inside = path.relative_to(self.given_root) if path.is_relative_to(self.given_root) else None
        path = self.root / inside if inside is not None else path
        return path.parent.resolve() / path.name

    def as_given(self, path: Path) -> Path:
        """The path below the root as the caller named it, which may be a link."""
        return self.given_root / path.relative_to(self.root)

    def placed(self, texts: Mapping[Path, str]) -> dict[Path, str]:
        return {self.place(path): text for path, text in texts.items()}
