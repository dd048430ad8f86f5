"""From what the agent told to a judge and to verdicts.  Pure: no file, no process.

A verdict trusts nothing that is not there: every expected test must have been told once, and have passed, and the
agent must have come to its own end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from engine.errors import BrokenJudgeError, NoTestsError, VacuousJudgeError
from engine.verification.base import Judge, TestOutcome, TestResult, Verdict
from engine.verification.cell import Ended

ALL = "::*"  # stands behind a file's name for all of its tests
NOT_COUNTED = (TestOutcome.SKIPPED, TestOutcome.XFAILED, TestOutcome.XPASSED)


@frozen
class Loaded:
    """What loading a test file told: the ids of its tests, or a message why it could not be loaded."""

    file: str
    tests: tuple[str, ...]
    message: str
    detail: str
    reached: tuple[str, ...]
    blocked_by: tuple[str, ...]


@define
class Told:
    """Everything one run of the agent told.  `feed` takes its lines; those without the run's key are not its own."""

    key: str
    on_result: Callable[[TestResult], None] | None = None
    tests: list[TestResult] = field(factory=list)
    loaded: list[Loaded] = field(factory=list)
    loaded_files: tuple[str, ...] = ()
    status: int | None = None

    def feed(self, line: str) -> None:
        """Take one line of the agent's channel; what is not a result of this run is passed over."""
        try:
            told = json.loads(line)
            if told.pop("key") != self.key:
                return
            kind = told.pop("kind")
            if kind == "test":
                result = _result(told)
                self.tests.append(result)
                if self.on_result:
                    self.on_result(result)
            elif kind == "collection":
                for name in ("tests", "reached", "blocked_by"):
                    told[name] = tuple(told[name])
                self.loaded.append(Loaded(**told))
            elif kind == "end" and told["count"] == len(self.tests):
                self.loaded_files = tuple(map(str, told["loaded"]))
                self.status = int(told["status"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return

    def tests_of(self, file: str) -> set[str]:
        return {test for part in self.loaded if part.file == file for test in part.tests}

    def error_of(self, file: str) -> Loaded | None:
        return next((part for part in self.loaded if part.file == file and part.message), None)

    @property
    def errors(self) -> list[Loaded]:
        return [part for part in self.loaded if part.message]


def _result(told: dict[str, Any]) -> TestResult:
    return TestResult(
        id=str(told["id"]),
        outcome=TestOutcome(told["outcome"]),
        seconds=float(told["seconds"]),
        message=str(told["message"]),
        detail=str(told["detail"]),
        reached=tuple(told["reached"]),
        blocked_by=tuple(told["blocked_by"]),
        frames=tuple((str(path), int(line)) for path, line in told["frames"]),
    )


def why_ended(ended: Ended, limits: str) -> str:
    """Why the run did not come to its own end, in words."""
    if ended.timed_out:
        return f"the tests did not end within {ended.seconds:.0f} s"
    if ended.exceeded:
        return f"the tests were ended for using too much {limits or ended.exceeded}".replace("much proc", "many proc")
    if ended.status is not None and ended.status < 0:
        return f"the tests' process was ended by signal {-ended.status}"
    return f"the tests' process ended before all tests had been run (exit status {ended.status})"


def find_judge(
    told: Told, ended: Ended, *, targets: Sequence[str], folder: Path, framework: str, files: Sequence[str],
    doctests: tuple[str, ...] = (), looked_in: str = "",
) -> Judge:  # fmt: skip
    """The tests that decide, from a run with the probe in place.

    Raises:
        NoTestsError: none reaches the targets, or each is blocked by another stub.
        BrokenJudgeError: a file could not be loaded for a reason of its own, or the run broke off.
    """
    if told.status is None:
        last = told.tests[-1].id if told.tests else ""
        raise BrokenJudgeError(
            f"The tests cannot be run as they are: {why_ended(ended, '')}" + (f", after {last}." if last else "."),
            remedy=_last_words(ended.output) or "Run them yourself, and mend what stops them.",
        )
    wanted = set(targets)
    tests: list[str] = []
    blocked: dict[str, str] = {}
    excluded: dict[str, str] = {}
    for result in told.tests:
        if not wanted.intersection(result.reached):
            continue
        if result.outcome in NOT_COUNTED:
            excluded[result.id] = f"{result.outcome} {result.message}".strip()
        elif result.blocked_by and not result.passed:
            blocked[result.id] = result.blocked_by[0]
        else:
            tests.append(result.id)
    for part in told.errors:
        if part.blocked_by:
            blocked[part.file] = part.blocked_by[0]
        elif wanted.intersection(part.reached):
            tests.append(part.file + ALL)
        elif part.file not in excluded:
            excluded[part.file] = part.message
    if not tests:
        _no_judge(told, ended, targets, files, blocked, looked_in)
    own = {_file_of(test, told) for test in tests}
    return Judge(
        framework=framework,
        tests=tuple(tests),
        files=tuple(folder / file for file in files if file in own),
        blocked=blocked,
        excluded=excluded,
        folder=folder,
        doctests=doctests,
    )


def _no_judge(
    told: Told, ended: Ended, targets: Sequence[str], files: Sequence[str], blocked: Mapping[str, str], looked_in: str
) -> None:
    """Say why there is no judge."""
    label = ", ".join(targets)
    for part in told.errors:
        if not part.blocked_by:
            raise BrokenJudgeError(f"{part.file} cannot be loaded: {part.message}", remedy="Mend it, then try again.")
    if told.status not in (0, 1, 5):  # pytest: passed, failed, nothing collected; others are its own troubles
        raise BrokenJudgeError(
            f"pytest could not run the tests (exit status {told.status}).",
            remedy=_last_words(ended.output) or "Run pytest yourself, and mend what stops it.",
        )
    if blocked:
        raise NoTestsError(
            f"Every test that reaches {label} also needs {', '.join(sorted(set(blocked.values())))}, "
            "which is not implemented yet.",
            remedy="Implement that first, or all stubs of the class or file together.",
        )
    stopped = sorted({name for result in told.tests if not result.passed for name in result.blocked_by})
    because = f"; some stop before it at {', '.join(stopped)}, which is not implemented" if stopped else ""
    ran = f"{len(told.tests)} test{'' if len(told.tests) == 1 else 's'} of {', '.join(files)}" if files else "no test"
    where = f"  Looked in {looked_in}." if looked_in else ""
    raise NoTestsError(
        f"No test reaches {label}: {ran} ran, none called it{because}.{where}",
        remedy="Write a test that calls it, or look whether the tests import another copy of its module.",
    )


def _file_of(test: str, told: Told) -> str:
    known = next((part.file for part in told.loaded if test in part.tests), None)
    return known if known is not None else test.partition("::")[0]


def _last_words(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def verdict(judge: Judge, told: Told, ended: Ended, *, decided_by: str) -> Verdict:
    """Decide: every expected test told once and passed, none that was not expected, and the agent's own end."""
    by_id: dict[str, list[TestResult]] = {}
    for result in told.tests:
        by_id.setdefault(result.id, []).append(result)
    over = "" if told.status is not None and ended.status == 0 else why_ended(ended, "")
    results: list[TestResult] = []
    odd: list[str] = []
    for test in judge.tests:
        if test.endswith(ALL):
            results += _whole_file(test.removesuffix(ALL), told, by_id, over)
            continue
        found = by_id.pop(test, [])
        if len(found) > 1:
            odd.append(f"{test} was reported {len(found)} times")
        results.append(found[0] if found else _missing(test, told.error_of(_file(test)), over))
    if by_id:
        odd.append(f"tests were reported that are not expected, such as {next(iter(by_id))}")
    failed = [result for result in results if not result.passed]
    reason = ""
    if over and (ended.timed_out or ended.exceeded or not failed or all(r.outcome == "missing" for r in failed)):
        reason = over
    elif failed:
        first = failed[0]
        reason = f"{len(failed)} of {len(results)} tests do not pass; {first.id}: {first.message or first.outcome}"
    elif odd:
        reason = odd[0]
    elif told.status != 0:
        reason = f"all tests passed, but {judge.framework} itself ended with status {told.status}"
    return Verdict(
        passed=not reason and bool(results),
        results=tuple(results),
        reason=reason or ("" if results else "no test was run"),
        output=ended.output,
        seconds=ended.seconds,
        cpu_seconds=ended.cpu_seconds,
        timed_out=ended.timed_out,
        decided_by=decided_by,
        loaded=told.loaded_files,
    )


def _file(test: str) -> str:
    return test.partition("::")[0]


def _missing(test: str, error: Loaded | None, over: str) -> TestResult:
    if error is not None:
        return TestResult(test, TestOutcome.ERROR, message=error.message, detail=error.detail)
    return TestResult(test, TestOutcome.MISSING, message=over or "it was not run")


def _whole_file(file: str, told: Told, by_id: dict[str, list[TestResult]], over: str) -> list[TestResult]:
    """The tests of a file that the baseline could not load; at least one must have passed."""
    found = [by_id.pop(test)[0] for test in sorted(told.tests_of(file)) if test in by_id]
    counted = [result for result in found if result.outcome not in (TestOutcome.SKIPPED, TestOutcome.XFAILED)]
    untold = told.tests_of(file) - {result.id for result in found}
    return [*counted, *(_missing(test, None, over) for test in sorted(untold))] or [
        _missing(file, told.error_of(file), over)
    ]


def refuse_vacuous(judge: Judge, found: Verdict) -> None:
    """Raises: VacuousJudgeError, if every test of the judge passes already."""
    if found.results and all(result.passed for result in found.results):
        count = len(found.results)
        raise VacuousJudgeError(
            f"All {count} tests that reach it pass already: they cannot tell a good implementation from what is there."
            if count > 1
            else f"The one test that reaches it ({found.results[0].id}) passes already.",
            remedy="Write a test that fails until it is implemented.",
        )
