"""From one run on the text as it is to a judge: which tests decide, which cannot, and what to tell of them.

Pure: no file, no process.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import evolve, frozen

from engine.errors import BlockedJudgeError, BrokenJudgeError, NoTestsError, VacuousJudgeError
from engine.redaction import redacted
from engine.verification.base import Judge, TestOutcome, TestResult, Verdict
from engine.verification.cell import Ended
from engine.verification.judging import ALL, Loaded, Told, why_ended
from engine.wording import some_of

NOT_COUNTED = (TestOutcome.SKIPPED, TestOutcome.XFAILED, TestOutcome.XPASSED)
TIME_FACTOR = 10.0  # a test, and a run, may take this many times what it took in the baseline
SLOW_SECONDS = 2.0  # a test that takes longer is named: every candidate waits for it
MOST_NAMED = 3


@frozen
class Asked:
    """What a baseline was run for.

    Attributes:
        targets: names that the probe tells.
        files: the test files that were run, relative to `folder`.
        target: the target's file, absolute.
        looked_in: where test files were looked for, for the text of an error.
        may_define: the module may come to define what is missing now.
    """

    targets: Sequence[str]
    files: Sequence[str]
    folder: Path
    framework: str
    target: Path
    doctests: tuple[str, ...] = ()
    looked_in: str = ""
    may_define: bool = False


def find_judge(told: Told, ended: Ended, asked: Asked) -> Judge:
    """The tests that decide, from a run with the probe in place.

    Raises:
        NoTestsError: none reaches the targets, or each is blocked by another stub.
        BrokenJudgeError: a file could not be loaded for a reason of its own, every test fails before it reaches the
            target, or the run broke off.
    """
    if told.status is None:
        raise BrokenJudgeError(
            f"The tests cannot be run as they are: {why_ended(ended, '', told.running)}.",
            remedy=_last_words(ended.output) or "Run them yourself, and mend what stops them.",
        )
    wanted = set(asked.targets)
    tests: list[str] = []
    blocked: dict[str, str] = {}
    excluded: dict[str, str] = {}
    times = Counter(result.id for result in told.tests)
    known = {test: part.file for part in reversed(told.loaded) for test in part.tests}
    calling = {part.file for part in told.loaded if not part.message and wanted.intersection(part.reached)}
    for result in told.tests:
        fails = not result.passed and result.outcome not in NOT_COUNTED
        # What a file got from the target as it was loaded may be why its tests fail.
        file = known.get(result.id) or result.id.partition("::")[0]
        by_loading = fails and (file in calling or (asked.may_define and not wanted))
        if not wanted.intersection(result.reached) and not by_loading:
            continue
        if times[result.id] > 1:
            excluded[result.id] = f"reported {times[result.id]} times in one run"
        elif result.outcome in NOT_COUNTED:
            excluded[result.id] = f"{result.outcome} {result.message}".strip()
        elif result.blocked_by and not result.passed:
            blocked[result.id] = result.blocked_by[0]
        else:
            tests.append(result.id)
    for part in told.errors:
        if part.blocked_by:
            blocked[part.file] = part.blocked_by[0]
        elif wanted.intersection(part.reached) or asked.may_define:
            tests.append(part.file + ALL)
        elif part.file not in excluded:
            excluded[part.file] = part.message
    if not tests:
        _no_judge(told, ended, asked, blocked)
    own = {known.get(test) or test.partition("::")[0] for test in tests}
    return Judge(
        framework=asked.framework,
        tests=tuple(tests),
        files=tuple(asked.folder / file for file in asked.files if file in own),
        blocked=blocked,
        excluded=excluded,
        folder=asked.folder,
        doctests=asked.doctests,
    )


def _no_judge(told: Told, ended: Ended, asked: Asked, blocked: Mapping[str, str]) -> None:
    """Say why there is no judge."""
    label = ", ".join(asked.targets)
    for part in told.errors:
        if not part.blocked_by:
            raise BrokenJudgeError(
                f"{part.file} cannot be loaded: {part.message}{_place(part, asked.folder)}",
                remedy="Mend it, then try again.",
            )
    if told.status not in (0, 1, 5):  # pytest: passed, failed, nothing collected; others are its own troubles
        raise BrokenJudgeError(
            f"pytest could not run the tests (exit status {told.status}).",
            remedy=_last_words(ended.output) or "Run pytest yourself, and mend what stops it.",
        )
    if blocked:
        needed = sorted(set(blocked.values()))
        raise BlockedJudgeError(
            f"Every test that reaches {label} also needs {', '.join(needed)}, "
            f"which {'is' if len(needed) == 1 else 'are'} not implemented yet.",
            remedy="Implement that first, or all stubs of the class or file together.",
        )
    other = next((copy.file for copy in told.copies if not copy.is_own), "")
    if other and not any(copy.is_own for copy in told.copies):
        raise BrokenJudgeError(
            f"The tests import {other}, not the file you are editing, {asked.target}.",
            remedy="Install the project in editable mode (`pip install -e .`), or put its folder on `pythonpath` in "
            "pytest's configuration.",
        )
    count = len(told.tests)
    files = ", ".join(some_of(asked.files, MOST_NAMED))
    ran = f"{count} test{'' if count == 1 else 's'} of {files}" if files else "no test"
    failing = [result for result in told.tests if not result.passed and result.outcome not in NOT_COUNTED]
    first = next((result for result in failing if not result.blocked_by), None)
    if first is not None and len(failing) == count:
        at = f" ({first.frames[-1][0]}:{first.frames[-1][1]})" if first.frames else ""
        raise BrokenJudgeError(
            f"No test comes as far as {label}: {first.id} fails before: {first.message or first.outcome}{at}",
            remedy="Mend that, then try again.",
        )
    stopped = sorted({name for result in failing for name in result.blocked_by})
    are = "is" if len(stopped) == 1 else "are"
    because = f"; some stop before it at {', '.join(stopped)}, which {are} not implemented" if stopped else ""
    where = f"  Looked in {asked.looked_in}." if asked.looked_in else ""
    raise NoTestsError(
        f"No test reaches {label}: {ran} ran, none called it{because}.{where}",
        remedy="Write a test that calls it.",
    )


def _place(part: Loaded, folder: Path) -> str:
    """` (FILE:LINE: the source there)`: the last place of the traceback that lies in the project, if it can be told."""
    found = ""
    lines = part.detail.splitlines()
    for index, line in enumerate(lines):
        match = re.match(
            r"(?:E\s+)?\s*(?:File \"(?P<a>[^\"]+)\", line (?P<b>\d+)|(?P<c>\S[^:]*\.py):(?P<d>\d+): in )", line
        )
        if match is None:
            continue
        path = Path(match["a"] or match["c"])
        if path.is_absolute() and not path.is_relative_to(folder):
            continue
        shown = path.relative_to(folder).as_posix() if path.is_absolute() else path.as_posix()
        source = re.sub(r"^E\s+", "", lines[index + 1]).strip() if index + 1 < len(lines) else ""
        found = f" ({shown}:{match['b'] or match['d']}{f': {source[:100]}' if source else ''})"
    return found


def _last_words(output: str) -> str:
    lines = [line.strip() for line in redacted(output).splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def refuse_vacuous(found: Verdict) -> None:
    """Raises: VacuousJudgeError, if every test of the judge passes already."""
    if found.results and all(result.passed for result in found.results):
        count = len(found.results)
        raise VacuousJudgeError(
            f"All {count} tests that reach it pass already: they cannot tell a good implementation from what is there."
            if count > 1
            else f"The one test that reaches it ({found.results[0].id}) passes already.",
            remedy="Write a test that fails until it is implemented.",
        )


def may_be_flaky(results: Sequence[TestResult]) -> bool:
    """Whether a second run can tell anything: of what a stub does to a test (its error, its None), it cannot."""
    return any(r.passed or not (r.message.startswith("NotImplementedError") or "None" in r.message) for r in results)


def flaky(first: Sequence[TestResult], second: Sequence[TestResult]) -> tuple[str, ...]:
    """Ids of the tests whose outcome differs between two runs on the same text, in the order of the first."""
    outcomes = {result.id: result.outcome for result in second}
    return tuple(result.id for result in first if outcomes.get(result.id) != result.outcome)


def without_flaky(judge: Judge, first: Verdict, second: Verdict) -> tuple[Judge, Verdict]:
    """The judge and its result without tests that did not end alike in two runs; these are `excluded`, with both ends.

    Raises:
        BrokenJudgeError: nothing would be left.
    """
    outcomes = {result.id: result.outcome for result in second.results}
    unsteady = {
        result.id: f"flaky: {result.outcome}, then {outcomes.get(result.id, TestOutcome.MISSING)}, on the same text"
        for result in first.results
        if result.id in set(flaky(first.results, second.results))
    }
    if not unsteady:
        return judge, first
    if len(unsteady) == len(first.results):
        test, reason = next(iter(unsteady.items()))
        raise BrokenJudgeError(
            f"No test can decide: {test} is {reason}"
            + (f", and so are {len(unsteady) - 1} others." if len(unsteady) > 1 else "."),
            remedy="Make the tests independent of chance, of time, and of one another.",
        )
    tests = tuple(test for test in judge.tests if test not in unsteady)
    results = tuple(result for result in first.results if result.id not in unsteady)
    return evolve(judge, tests=tests, excluded={**judge.excluded, **unsteady}), evolve(first, results=results)


def limits_of(results: Sequence[TestResult], least: float) -> dict[str, float]:
    """Seconds that each test may take from now on: a multiple of its own time, and no less than `least`."""
    return {result.id: max(least, TIME_FACTOR * result.seconds) for result in results}


def warnings_of(results: Sequence[TestResult]) -> tuple[str, ...]:
    """What the user should know: tests that every candidate will wait for."""
    slow = sorted((r for r in results if r.seconds > SLOW_SECONDS), key=lambda r: -r.seconds)
    if not slow:
        return ()
    names = ", ".join(f"{result.id} ({result.seconds:.1f} s)" for result in slow[:MOST_NAMED])
    more = f" and {len(slow) - MOST_NAMED} more" if len(slow) > MOST_NAMED else ""
    return (f"slow tests, run for every candidate: {names}{more}",)
