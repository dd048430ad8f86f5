"""The words of verification: judge, baseline, verdict."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from attrs import field, frozen


class TestOutcome(StrEnum):
    """How one test ended."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"  # failed outside its call phase: fixture, import, collection
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"
    MISSING = "missing"  # expected, but never reported: the process ended or the test was not collected


@frozen
class TestResult:
    """One test under one text.

    Attributes:
        id: pytest's node id, or unittest's dotted id.
        seconds: of setup, call and teardown together.
        message: the failure in one line (`AssertionError: assert 3 == 4`), else empty.
        detail: the failure with its source lines and values, bounded to a few thousand characters; empty where a
            score of other failures of the run were told in full.
        reached: names (see `Baseline`) of the instrumented functions that ran during this test.
        blocked_by: instrumented stubs other than the target that the test itself called (the target was not on the
            stack), in the order of the calls.
        frames: where it failed: (path, line) of the traceback's frames inside the workspace, outermost first; paths
            relative to the workspace.
    """

    __test__ = False

    id: str
    outcome: TestOutcome
    seconds: float = 0.0
    message: str = ""
    detail: str = ""
    reached: tuple[str, ...] = ()
    blocked_by: tuple[str, ...] = ()
    frames: tuple[tuple[str, int], ...] = ()

    @property
    def passed(self) -> bool:
        return self.outcome is TestOutcome.PASSED


@frozen
class Verdict:
    """Per-test outcomes of one text under the judge.

    Attributes:
        passed: every test that counts passed.
        results: one for each expected test, in the judge's order.
        reason: why it did not pass, in one line; empty if it did.
        output: captured stdout and stderr of the run, bounded.
        seconds: wall time of the whole run; cpu_seconds: CPU time of its process tree.
        timed_out: the run was ended because it reached its time limit.
        decided_by: how, e.g. `pytest, full sandbox`.
        loaded: the workspace's own files that the tests imported, relative to it.
        warm: the run was a fork of a warm server.
    """

    passed: bool
    results: tuple[TestResult, ...]
    reason: str = ""
    output: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    timed_out: bool = False
    decided_by: str = ""
    loaded: tuple[str, ...] = ()
    warm: bool = False

    @property
    def tests_passed(self) -> int:
        return sum(result.passed for result in self.results)

    @property
    def tests_total(self) -> int:
        return len(self.results)

    @property
    def first_failure(self) -> TestResult | None:
        """The first test that failed, of very many one that was told in full; where none did, the first that never ran
        or ended otherwise.
        """
        failed = [r for r in self.results if r.outcome in (TestOutcome.FAILED, TestOutcome.ERROR)]
        told = next((result for result in failed if result.detail), None)
        return told or next((result for result in (*failed, *self.results) if not result.passed), None)


@frozen
class Judge:
    """The user's tests that reach the target.

    Attributes:
        framework: `pytest` or `unittest`.
        tests: ids of the tests that must pass, in a stable order.  `FILE::*` stands for every test of a file whose
            loading already calls the target, so that its tests cannot be known before there is an implementation.
        files: the test files these are in.
        blocked: tests that reach the target but cannot pass yet, each with the stub that blocks it.
        excluded: tests left out for another reason (skipped or xfailed in the baseline), each with the reason.
        folder: where the tests are run from; ids and the names of files in them are relative to it.
        doctests: functions whose docstrings' examples are the tests; then `files` are the ones that hold them.
        target: the file that holds the target, as the caller named it; verdicts make sure that it is what was loaded.
        limits: seconds that each test may take, by id.
    """

    framework: str
    tests: tuple[str, ...]
    files: tuple[Path, ...]
    blocked: Mapping[str, str] = field(factory=dict)
    excluded: Mapping[str, str] = field(factory=dict)
    folder: Path = Path()
    doctests: tuple[str, ...] = ()
    target: Path | None = None
    limits: Mapping[str, float] = field(factory=dict)


@frozen
class Baseline:
    """The judge's result before anything is changed.

    Attributes:
        verdict: over the judge's tests, on the text as it is.
        time_limit: seconds that one run of the judge may take from now on.
        warnings: what the user should know of these tests besides what was left out: slow ones are named.
        modules: names of the installed modules that the tests loaded.
        stubs: names of the functions in the target's file that count as stubs besides the target.
        nominated: the test files that were run to find the judge; those that decide nothing hold expectations, too.
    """

    judge: Judge
    verdict: Verdict
    time_limit: float
    warnings: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    stubs: tuple[str, ...] = ()
    nominated: tuple[Path, ...] = ()
