"""The judge found, and texts judged: the door of this room.

One `Verifier` serves one workspace and one interpreter.  Every run is one process of the user's Python in a cell,
with the agent in it; nothing is shared between runs.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

from attrs import evolve

from engine.config import Settings
from engine.errors import NoTestsError, SandboxError
from engine.verification.base import Baseline, Judge, TestResult, Verdict
from engine.verification.cell import MIB, Cell, Command, Ended, Limits
from engine.verification.confinement import open_cell
from engine.verification.environment import clean_environment
from engine.verification.interpreter import Interpreter
from engine.verification.judging import ALL, Told, find_judge, refuse_vacuous, verdict

AGENT = Path(__file__).with_name("agent")
BASELINE_SECONDS = 60.0  # least time limit of a baseline, whose tests' durations are not yet known
TIME_FACTOR = 10.0  # a run may take this many times what the judge took in the baseline

_CONFIGURED = {
    "pytest.ini": "[pytest]", ".pytest.ini": "[pytest]", "pyproject.toml": "[tool.pytest", "tox.ini": "[pytest]",
    "setup.cfg": "[tool:pytest]",
}  # fmt: skip


def reach_statement(name: str) -> str:
    """One line of Python that tells the agent that the function called `name` runs; harmless without an agent."""
    return f'__import__("builtins").__dict__.get("__greenfinch_reached__", len)({name!r})'


class Verifier:
    """Judges texts by the user's tests, confined.

    Attributes:
        level: of the confinement: `namespaces` or `copy`.
        level_detail: what that holds, and what it does not, for the user.
    """

    def __init__(self, root: Path, interpreter: Interpreter, settings: Settings, *, level: str = "") -> None:
        """`level` asks for one kind of cell; by default the strongest that works here is used."""
        self._given_root = root
        self.root = root.resolve()
        self.interpreter = interpreter
        self.settings = settings
        self.level = level
        self.level_detail = ""
        self._cell: Cell | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Verifier:
        """Raises: SandboxError, if tests cannot be run confined here."""
        if len(self.root.parts) < 2:
            raise SandboxError("The whole disk cannot be a workspace.", remedy="Open the folder of your project.")
        cell = await open_cell(self.root, self.level)
        self._cell = await self._stack.enter_async_context(cell)
        self.level, self.level_detail = self._cell.level, self._cell.detail
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cell = None
        await self._stack.aclose()

    async def baseline(
        self, *, target_path: Path, targets: Sequence[str], stubs: Sequence[str], instrumented: Mapping[Path, str],
        overlays: Mapping[Path, str], nominated: Sequence[Path], looked_in: str = "", may_pass: bool = False,
    ) -> Baseline:  # fmt: skip
        """Run the nominated files once on the texts as they are, with the probe in place, and find the judge.

        Args:
            targets, stubs: names as given to `reach_statement`; qualified names (`Class.method`), optionally with
                `PATH:` before them.
            instrumented: texts that hold the probes; they go before `overlays`.
            overlays: unsaved texts, by absolute path.
            nominated: test files that may reach a target.
            looked_in: where these were looked for, for the text of an error.
            may_pass: a judge that passes already is no error: it may still refuse another text.

        Raises:
            JudgeError: NoTestsError, VacuousJudgeError or BrokenJudgeError.
            InterpreterError: the tests need pytest, and it is missing.
            SandboxError: the cell could not be set up.
        """
        texts = self._resolved({**overlays, **instrumented})
        target = self._resolve(target_path)
        paths = [self._resolve(path) for path in nominated]
        qualnames = tuple(name.rpartition(":")[2] for name in targets)
        may_have_doctests = ">>>" in texts.get(target, "") and "pytest" in self.interpreter.frameworks
        attempts: list[tuple[list[Path], tuple[str, ...]]] = [(paths, ())] if paths else []
        attempts += [([target], qualnames)] if may_have_doctests else []
        if not attempts:
            raise NoTestsError(
                f"No test mentions {', '.join(qualnames)}." + (f"  Looked in {looked_in}." if looked_in else ""),
                remedy="Write a test that calls it.",
            )
        first_error: NoTestsError | None = None
        for files, doctests in attempts:
            try:
                return await self._baseline(files, doctests, targets, stubs, texts, looked_in, may_pass)
            except NoTestsError as error:
                first_error = first_error or error
        assert first_error is not None  # noqa: S101 - every attempt returned or raised
        raise first_error

    async def _baseline(
        self, paths: Sequence[Path], doctests: tuple[str, ...], targets: Sequence[str], stubs: Sequence[str],
        texts: Mapping[Path, str], looked_in: str, may_pass: bool,
    ) -> Baseline:  # fmt: skip
        framework = self._framework(paths, texts)
        folder = self._folder(paths, texts)
        judge = Judge(framework, (), tuple(paths), folder=folder, doctests=doctests)
        seconds = max(BASELINE_SECONDS, 6 * self.settings.test_timeout_seconds)
        told, ended = await self._execute(judge, texts, seconds, targets=targets, stubs=stubs)
        files = [path.relative_to(folder).as_posix() for path in paths]
        judge = find_judge(
            told, ended, targets=targets, folder=folder, framework=framework, files=files, doctests=doctests,
            looked_in=looked_in,
        )  # fmt: skip
        expected = set(judge.tests)
        told.tests = [result for result in told.tests if result.id in expected]
        found = verdict(judge, told, ended, decided_by=self._decided_by(framework))
        if not may_pass:
            refuse_vacuous(judge, found)
        judge = evolve(judge, files=tuple(self._as_given(path) for path in judge.files))
        return Baseline(judge, found, max(self.settings.test_timeout_seconds, TIME_FACTOR * ended.seconds))

    async def run(
        self, judge: Judge, overlays: Mapping[Path, str], *, time_limit: float,
        on_result: Callable[[TestResult], None] | None = None, stop_at_first_failure: bool = False,
        targets: Sequence[str] = (), stubs: Sequence[str] = (),
    ) -> Verdict:  # fmt: skip
        """Judge the workspace with `overlays` in place: every test of the judge must run, and pass.

        Args:
            overlays: the candidate's text and the unsaved ones, by absolute path.
            time_limit: seconds for the whole run, `Baseline.time_limit`.
            on_result: called with each expected test's result as it comes.
            targets, stubs: names of functions that hold the probe, if `overlays` are instrumented; see `baseline`.

        Raises:
            SandboxError: the cell could not be set up.
        """
        expected = set(judge.tests)
        whole = tuple(test.removesuffix(ALL) for test in judge.tests if test.endswith(ALL))

        def on_each(result: TestResult) -> None:
            if on_result and (result.id in expected or whole):
                on_result(result)

        told, ended = await self._execute(
            judge, self._resolved(overlays), time_limit, targets=targets, stubs=stubs, on_result=on_each,
            stop_at_first_failure=stop_at_first_failure,
        )  # fmt: skip
        return verdict(judge, told, ended, decided_by=self._decided_by(judge.framework))

    def _decided_by(self, framework: str) -> str:
        return f"{framework} in {'namespaces' if self.level == 'namespaces' else 'a copy'}"

    async def _execute(
        self, judge: Judge, texts: Mapping[Path, str], seconds: float, *, targets: Sequence[str] = (),
        stubs: Sequence[str] = (), on_result: Callable[[TestResult], None] | None = None,
        stop_at_first_failure: bool = False,
    ) -> tuple[Told, Ended]:  # fmt: skip
        if self._cell is None:
            raise RuntimeError("the verifier is not open: use it as an async context manager")
        key = secrets.token_hex(16)
        request = {
            "key": key,
            "framework": judge.framework,
            "files": [self._resolve(path).relative_to(judge.folder).as_posix() for path in judge.files],
            "tests": judge.tests,
            "doctests": judge.doctests,
            "targets": list(targets),
            "stubs": list(stubs),
            "root": os.path.relpath(self.root, judge.folder),  # noqa: ASYNC240 - touches no disk
            "args": self.settings.test_args,
            "stop_at_first_failure": stop_at_first_failure,
        }
        python = self.interpreter
        command = Command(
            argv=(str(python.path), str(AGENT / "runner.py")),
            cwd=judge.folder,
            request=json.dumps(request),
            environment=clean_environment(python.environment_prefix, python.path),
            limits=Limits(seconds=seconds, memory_bytes=self.settings.test_memory_mb * MIB),
            overlays=texts,
            visible=(AGENT, python.path.parent, python.prefix, python.base_prefix, *python.import_paths),
        )
        told = Told(key, on_result)
        ended = await self._cell.run(command, told.feed)
        return told, ended

    def _resolve(self, path: Path) -> Path:
        """The path as the tests see it: the workspace's own links followed, the file's kept."""
        inside = path.relative_to(self._given_root) if path.is_relative_to(self._given_root) else None
        path = self.root / inside if inside is not None else path
        return path.parent.resolve() / path.name

    def _as_given(self, path: Path) -> Path:
        """The path below the root as the caller named it, which may be a link."""
        return self._given_root / path.relative_to(self.root)

    def _resolved(self, texts: Mapping[Path, str]) -> dict[Path, str]:
        return {self._resolve(path): text for path, text in texts.items()}

    def _framework(self, paths: Sequence[Path], texts: Mapping[Path, str]) -> str:
        if "pytest" in self.interpreter.frameworks:
            return "pytest"
        if all(_is_unittest(_text(path, texts)) for path in paths):
            return "unittest"
        raise self.interpreter.needs_pytest()

    def _folder(self, paths: Sequence[Path], texts: Mapping[Path, str]) -> Path:
        """Where tests are run from: the nearest folder around all of them with pytest's configuration, or the root."""
        common = Path(os.path.commonpath([path.parent for path in paths]))
        for folder in (common, *common.parents):
            if folder == self.root or not folder.is_relative_to(self.root):
                break
            if any(mark in _text(folder / name, texts) for name, mark in _CONFIGURED.items()):
                return folder
        return self.root


def _text(path: Path, texts: Mapping[Path, str]) -> str:
    if path in texts:
        return texts[path]
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _is_unittest(text: str) -> bool:
    return "TestCase" in text and not re.search(r"^\s*(?:import|from)\s+pytest\b|^(?:async\s+)?def\s+test", text, re.M)


__all__ = ["Verifier", "reach_statement"]
