"""The judge found, and texts judged: the door of this room.

One `Verifier` serves one workspace and one interpreter.  Every run is one process of the user's Python in a cell,
with the agent in it; nothing is shared between runs but what a warm server has loaded before (see `warming`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

from attrs import evolve

from engine.config import Settings
from engine.errors import NoTestsError, SandboxError
from engine.verification import command as own_command
from engine.verification import remembered
from engine.verification.asking import Message
from engine.verification.base import Baseline, Judge, TestResult, Verdict
from engine.verification.baseline import (
    MOST_NAMED,
    TIME_FACTOR,
    Asked,
    find_judge,
    limits_of,
    may_be_flaky,
    refuse_vacuous,
    warnings_of,
    without_flaky,
)
from engine.verification.confinement import open_cell, openings_of
from engine.verification.environment import clean_environment
from engine.verification.frameworks import folder_of, framework_of
from engine.verification.interpreter import Interpreter, stamps
from engine.verification.judging import ALL, verdict, wrong_copy
from engine.verification.running import Running
from engine.verification.split import Split, hidden_from_candidate
from engine.verification.warming import Basis, Warming
from engine.wording import some_of

DECOYS = 3
BASELINE_SECONDS = 60.0  # least time limit of a baseline, whose tests' durations are not yet known


def reach_statement(name: str) -> str:
    """One line of Python that tells the agent that the function called `name` runs; harmless without an agent."""
    elsewhere = f'(e := __import__("os").environ.get("GREENFINCH_REACHED")) and open(e, "a").write({name + chr(10)!r})'
    return f'(__import__("builtins").__dict__.get("__greenfinch_reached__") or (lambda n: {elsewhere}))({name!r})'


class Verifier:
    """Judges texts by the user's tests, confined.

    Attributes:
        level: of the confinement: `full`, `partial` or `limits-only`.
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
        self._running: Running | None = None
        self._failed: dict[str, None] = {}  # test files that refused a text, the latest last
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Verifier:
        """Raises: SandboxError, if tests cannot be run confined here."""
        if len(self.root.parts) < 2:
            raise SandboxError("The whole disk cannot be a workspace.", remedy="Open the folder of your project.")
        cell = await open_cell(
            self.root, self.level, least=self.settings.sandbox_least, openings=openings_of(self.settings)
        )
        opened = await self._stack.enter_async_context(cell)
        self.level, self.level_detail = opened.level, opened.detail
        warming = await self._stack.enter_async_context(Warming(opened))
        self._running = Running(self._given_root, self.interpreter, self.settings, opened, warming)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running = None
        await self._stack.aclose()

    async def baseline(
        self, *, target_path: Path, targets: Sequence[str], stubs: Sequence[str], instrumented: Mapping[Path, str],
        overlays: Mapping[Path, str], nominated: Sequence[Path], looked_in: str = "", may_pass: bool = False,
        may_define: bool = False,
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
            may_define: another text may define what is missing now: a file that cannot be loaded is no error, but one
                whose tests must all pass; and so are tests that fail, where there is no target yet.

        Raises:
            JudgeError: NoTestsError, VacuousJudgeError or BrokenJudgeError.
            InterpreterError: the tests need pytest, and it is missing.
            SandboxError: the cell could not be set up, or the target lies outside the workspace.
        """
        texts = self._open.placed({**overlays, **instrumented})
        target = self._open.place(target_path)
        if not target.is_relative_to(self.root):
            raise SandboxError(
                f"{target_path} lies outside the workspace, in {target.parent}, where a link leads: tests see only the "
                "workspace.",
                remedy="Open the folder that it lies in.",
            )
        paths = [path for path in map(self._open.place, nominated) if path.is_relative_to(self.root)]
        if self.settings.test_command:
            return await own_command.find_baseline(
                self._open.own_command, self.settings, folder=self.root, target=target_path, targets=targets,
                names=(*targets, *stubs), probed=texts, plain=self._open.placed(overlays), statement=reach_statement,
                nominated=nominated, may_pass=may_pass,
            )  # fmt: skip
        qualnames = tuple(name.rpartition(":")[2] for name in targets)
        may_have_doctests = ">>>" in texts.get(target, "") and "pytest" in self.interpreter.frameworks
        attempts: list[tuple[list[Path], tuple[str, ...]]] = [(paths, ())] if paths else []
        attempts += [([target], qualnames)] if may_have_doctests else []
        if not attempts:
            where = f"  Looked in {looked_in}." if looked_in else ""
            if nominated:
                raise NoTestsError(
                    f"The tests that mention {', '.join(qualnames)} lie outside the workspace, where a link leads: "
                    f"{', '.join(some_of([str(path) for path in nominated], MOST_NAMED))}.{where}",
                    remedy="Open a folder that holds both, or write a test in this one.",
                )
            raise NoTestsError(f"No test mentions {', '.join(qualnames)}.{where}", remedy="Write a test that calls it.")
        first_error: NoTestsError | None = None
        for files, doctests in attempts:
            try:
                return await self._baseline(
                    target, files, doctests, targets, stubs, texts, looked_in, may_pass, may_define
                )
            except NoTestsError as error:
                first_error = first_error or error
        assert first_error is not None  # noqa: S101 - every attempt returned or raised
        raise first_error

    async def _baseline(
        self, target: Path, paths: Sequence[Path], doctests: tuple[str, ...], targets: Sequence[str],
        stubs: Sequence[str], texts: Mapping[Path, str], looked_in: str, may_pass: bool, may_define: bool,
    ) -> Baseline:  # fmt: skip
        framework = framework_of(paths, texts, self.interpreter)
        folder = folder_of(paths, texts, self.root)
        python = self.interpreter
        environment = frozenset(clean_environment(python.environment_prefix, python.path).items())
        key = (
            self._given_root, target, tuple(paths), doctests, tuple(targets), tuple(stubs), framework, folder, may_pass,
            may_define, self.level, self.settings, python.path, stamps(python.path, python.import_paths), environment,
            remembered.digest_of(texts),
        )  # fmt: skip
        async with remembered.in_turn(key):
            if (known := remembered.recall(key, texts)) is not None:
                return known
            judge = Judge(framework, (), tuple(paths), folder=folder, doctests=doctests, target=target)
            baseline = await self._found(judge, paths, targets, stubs, texts, looked_in, may_pass, may_define)
            remembered.remember(key, baseline, texts, self.root, paths)
            return baseline

    async def _found(
        self, judge: Judge, paths: Sequence[Path], targets: Sequence[str], stubs: Sequence[str],
        texts: Mapping[Path, str], looked_in: str, may_pass: bool, may_define: bool,
    ) -> Baseline:  # fmt: skip
        """What `_baseline` returns, by running the files that `judge` holds, which has no tests yet."""
        framework, folder, doctests, target = judge.framework, judge.folder, judge.doctests, judge.target
        assert folder is not None and target is not None  # noqa: S101 - `_baseline` has put them there
        seconds = max(BASELINE_SECONDS, 6 * self.settings.test_timeout_seconds)
        told, ended = await self._open.tests(
            judge, texts, seconds, targets=targets, stubs=stubs, more={"modules": True}
        )
        files = [path.relative_to(folder).as_posix() for path in paths]
        judge = find_judge(
            told, ended, Asked(targets, files, folder, framework, target, doctests, looked_in, may_define)
        )
        judge = evolve(judge, target=self._open.as_given(target), files=tuple(map(self._open.as_given, judge.files)))
        expected = set(judge.tests)
        told.tests = [result for result in told.tests if result.id in expected]
        found = verdict(judge, told, ended, decided_by=self._decided_by(framework))
        least = self.settings.test_timeout_seconds
        if may_be_flaky(found.results):
            again, ended_again = await self._open.tests(judge, texts, seconds, targets=targets, stubs=stubs)
            second = verdict(judge, again, ended_again, decided_by="")
            judge, found = without_flaky(judge, found, second)
        if not may_pass:
            refuse_vacuous(found)
        judge = evolve(judge, limits=limits_of(found.results, least))
        whole = max([least, TIME_FACTOR * ended.seconds]) + max([least, *judge.limits.values()])
        return Baseline(judge, found, whole, warnings_of(found.results), told.modules)

    async def run(
        self, judge: Judge, overlays: Mapping[Path, str], *, time_limit: float,
        on_result: Callable[[TestResult], None] | None = None, stop_at_first_failure: bool = False,
        targets: Sequence[str] = (), stubs: Sequence[str] = (), fresh: bool = False, decoys: bool = False,
        audit: bool = False, first: Sequence[str] = (),
    ) -> Verdict:  # fmt: skip
        """Judge the workspace with `overlays` in place: every test of the judge must run, and pass.

        Args:
            overlays: the candidate's text and the unsaved ones, by absolute path.
            time_limit: seconds for the whole run, `Baseline.time_limit`.
            on_result: called with each expected test's result as it comes.
            targets, stubs: names of functions that hold the probe, if `overlays` are instrumented; see `baseline`.
            fresh: in a process that has loaded nothing yet, even if there is a warm server.
            decoys: plant tests that cannot pass among the judge's: if these pass, none of it is believed.
            first: ids of tests that go before the others, in this order, if the run stops at the first failure.
            audit: note what the target does that its text may hide; see `agent/audit.py`.

        Raises:
            SandboxError: the cell could not be set up.
        """
        if judge.framework == own_command.FRAMEWORK:
            return own_command.judged(
                judge, *await self._open.own_command(judge, self._open.placed(overlays), time_limit)
            )
        planted = [f"test_{secrets.token_hex(4)}" for _ in range(DECOYS)] if decoys and not judge.doctests else []
        more: dict[str, object] = {"decoys": planted, "first": [] if fresh else list(reversed(self._failed))}
        if first and stop_at_first_failure:
            more["first_tests"] = list(first)
        if audit:
            more["audit"] = True
        expected = set(judge.tests)
        whole = tuple(test.removesuffix(ALL) for test in judge.tests if test.endswith(ALL))

        def on_each(result: TestResult) -> None:
            if on_result and (result.id in expected or whole):
                on_result(result)

        told, ended = await self._open.tests(
            judge, self._open.placed(overlays), time_limit, targets=targets, stubs=stubs, on_result=on_each,
            stop_at_first_failure=stop_at_first_failure, warm=not fresh, more=more,
        )  # fmt: skip
        wrong = ""
        if judge.target is not None:
            target = self._open.place(judge.target)
            wrong = wrong_copy(told, target, self._open.placed(overlays).get(target))
        found = verdict(judge, told, ended, decided_by=self._decided_by(judge.framework), wrong=wrong, decoys=planted)
        for result in found.results:
            if not result.passed:
                file = result.id.partition("::")[0]
                self._failed.pop(file, None)
                self._failed[file] = None
        return found

    def keep_warm(
        self, baseline: Baseline, texts: Mapping[Path, str], *, targets: Sequence[str] = (), stubs: Sequence[str] = ()
    ) -> None:
        """Have runs of this judge soon be warm, where that can be; until then, and where it cannot, they are cold.

        Args:
            texts, targets, stubs: what the baseline was run with: it is repeated, and must end alike.
        """
        judge = baseline.judge
        running = self._open
        if judge.framework == own_command.FRAMEWORK:
            return
        command = running.order(
            judge, self._open.placed(texts), baseline.time_limit, secrets.token_hex(16), targets=list(targets),
            stubs=list(stubs), stop_at_first_failure=False,
        )  # fmt: skip
        python = self.interpreter
        # A project that is installed as editable is no package here: each file that an editor saves would change it.
        own = {p for p in python.import_paths if p.is_relative_to(self.root) and "site-packages" not in p.parts}
        packages = (python.path, *(path for path in python.import_paths if path not in own))
        running.warming.start(
            Basis(
                command=command,
                first=baseline.verdict,
                judged=lambda told, ended: verdict(judge, told, ended, decided_by=""),
                modules=baseline.modules,
                files=[self._open.place(file) for file in judge.files],
                packages=packages,
            )
        )

    async def warmed(self) -> str:
        """Wait until it is known whether runs will be warm; why they will not be, empty if they will."""
        return await self._open.warming.settled()

    async def empty_run(self, texts: Mapping[Path, str]) -> None:
        """Run a command that does nothing, confined with `texts` in place as tests are: for what that alone costs.

        Raises:
            SandboxError: the cell could not be set up.
        """
        await self._open.nothing(self._open.placed(texts))

    @property
    def warm_place(self) -> str:
        """How far runs go before they know their text (see `agent/ahead.py`); empty if they are cold."""
        return self._open.warming.place

    async def split(
        self, judge: Judge, caller: Mapping[Path, str], callee: Mapping[Path, str], *, target: Path,
        nominated: Sequence[Path] = (), twice: bool = False, record: bool = False, shown: Sequence[str] = (),
        time_limit: float,
    ) -> Split:  # fmt: skip
        """Run the judge in one cell and the implementation in another; see `split`.

        Args:
            caller: texts for the tests' cell, in which the target calls out.
            callee: texts for the implementation's cell, in which the target is marked for such calls.
            nominated: test files besides the judge's that the implementation must not see.
            twice: each call is made twice, and the second answer counts.
            record: tell what the target was asked (`Split.recorded`), in place of asking it more.
            shown: files that the implementation may see though they lie among the tests; see `Split.handed`.

        Raises:
            SandboxError: a cell could not be set up.
        """
        running = self._open
        target = running.place(target)
        tests = [running.place(file) for file in (*judge.files, *nominated)]
        told, ended = await running.apart(
            judge, running.placed(caller), running.placed(callee), time_limit, target=target,
            hidden=hidden_from_candidate(running.root, tests, target, shown), twice=twice, record=record,
        )  # fmt: skip
        return Split.of(verdict(judge, told, ended, decided_by=self._decided_by(judge.framework)), told.split)

    async def ask(
        self, judge: Judge, callee: Mapping[Path, str], *, target: Path, loading: Message, inputs: Sequence[Message],
        seconds: float,
    ) -> tuple[list[Message | None], float]:  # fmt: skip
        """The answers of an implementation, in a cell of its own, to the first of `inputs` (see `answers_of`), and the
        CPU seconds that it took, as far as it ended by itself.

        Args:
            callee: texts in which the target is marked for calls from outside; see `split`.
            loading, inputs: as a split run recorded them.

        Raises:
            SandboxError: the cell could not be set up.
        """
        running = self._open
        target = running.place(target)
        hidden = hidden_from_candidate(running.root, [running.place(file) for file in judge.files], target)
        return await running.ask(judge, running.placed(callee), seconds, loading, inputs, hidden)

    @property
    def _open(self) -> Running:
        if self._running is None:
            raise RuntimeError("the verifier is not open: use it as an async context manager")
        return self._running

    def relative(self, file: Path, judge: Judge) -> str:
        """How the ids of the judge's tests name a file."""
        return self._open.relative(file, judge)

    def _decided_by(self, framework: str) -> str:
        return f"{framework}, {self.level} sandbox"


__all__ = ["Verifier", "reach_statement"]
