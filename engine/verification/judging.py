"""From what the agent told to verdicts.  Pure: no file, no process.

A verdict trusts nothing that is not there: every expected test must have been told once, and have passed, and the
agent must have come to its own end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from engine.redaction import redacted
from engine.verification.base import Judge, TestOutcome, TestResult, Verdict
from engine.verification.cell import Ended, encoded

ALL = "::*"  # stands behind a file's name for all of its tests


@frozen
class Loaded:
    """What loading a test file told: the ids of its tests, or a message why it could not be loaded."""

    file: str
    tests: tuple[str, ...]
    message: str
    detail: str
    reached: tuple[str, ...]
    blocked_by: tuple[str, ...]


@frozen
class Copy:
    """A file that was loaded as the target's module: the target's own, or another that bears its name."""

    file: str
    sha256: str
    is_own: bool


@define
class Told:
    """Everything one run of the agent told.  `feed` takes its lines; those without the run's key are not its own."""

    key: str
    on_result: Callable[[TestResult], None] | None = None
    tests: list[TestResult] = field(factory=list)
    loaded: list[Loaded] = field(factory=list)
    loaded_files: tuple[str, ...] = ()
    copies: tuple[Copy, ...] = ()
    modules: tuple[str, ...] = ()
    running: str = ""
    status: int | None = None
    split: dict[str, Any] = field(factory=dict)
    seen: tuple[str, ...] = ()

    def feed(self, line: str) -> None:
        """Take one line of the agent's channel; what is not a result of this run is passed over."""
        try:
            told = json.loads(line)
            if told.pop("key") != self.key:
                return
            kind = told.pop("kind")
            if kind == "start":
                self.running = str(told["id"])
            elif kind == "test":
                result = _result(told)
                self.tests.append(result)
                if self.on_result:
                    self.on_result(result)
            elif kind == "collection":
                for name in ("tests", "reached", "blocked_by"):
                    told[name] = tuple(told[name])
                for name in ("message", "detail"):
                    told[name] = redacted(told[name])
                self.loaded.append(Loaded(**told))
            elif kind == "end" and told["count"] == len(self.tests):
                self.loaded_files = tuple(map(str, told["loaded"]))
                self.copies = tuple(Copy(str(file), str(sha), bool(own)) for file, sha, own in told["copies"])
                self.modules = tuple(map(str, told.get("modules") or ()))
                self.running = ""
                self.split = dict(told.get("split") or {})
                self.seen = tuple(map(str, told.get("seen") or ()))
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
        message=redacted(str(told["message"])),
        detail=redacted(str(told["detail"])),
        reached=tuple(told["reached"]),
        blocked_by=tuple(told["blocked_by"]),
        frames=tuple((str(path), int(line)) for path, line in told["frames"]),
    )


def why_ended(ended: Ended, limits: str, running: str = "") -> str:
    """Why the run did not come to its own end, in words.  `running`: the test or file that was under way."""
    during = f", while {running} was running" if running else ""
    if ended.timed_out:
        return f"the tests did not end within {ended.seconds:.0f} s{during}"
    if ended.exceeded:
        much = f"the tests were ended for using too much {limits or ended.exceeded}"
        return much.replace("much proc", "many proc") + during
    if ended.status is not None and ended.status < 0:
        return f"the tests' process was ended by signal {-ended.status}{during}"
    return f"the tests' process ended before all tests had been run (exit status {ended.status}){during}"


def wrong_copy(told: Told, target: Path, text: str | None) -> str:
    """Why the run was not about the text in the target's place; empty if nothing speaks against it.

    Args:
        text: what should have been loaded; None: what is on the disk.
    """
    own = [copy for copy in told.copies if copy.is_own]
    if not own and told.copies:
        return f"the tests import {told.copies[0].file}, not the file you are editing, {target}"
    expected = hashlib.sha256(encoded(text)).hexdigest() if text is not None else None
    if expected is not None and any(copy.sha256 != expected for copy in own):
        return f"another text of {target} was loaded than the one to judge"
    return ""


def verdict(
    judge: Judge, told: Told, ended: Ended, *, decided_by: str, wrong: str = "", decoys: Sequence[str] = ()
) -> Verdict:
    """Decide: every expected test told once and passed, none that was not expected, and the agent's own end.

    Args:
        wrong: see `wrong_copy`.
        decoys: names of planted tests; each must have been told, and must not have passed (hooks of the project may
            well end one before it has begun).
    """
    by_id: dict[str, list[TestResult]] = {}
    for result in told.tests:
        by_id.setdefault(result.id, []).append(result)
    over = "" if told.status is not None and ended.status == 0 else why_ended(ended, "", told.running)
    results: list[TestResult] = []
    odd: list[str] = []
    for decoy in decoys:
        planted = [test for test in by_id if test.endswith((f"::{decoy}", f".{decoy}"))]
        outcomes = [result.outcome for test in planted for result in by_id.pop(test)]
        if len(outcomes) != 1 or outcomes[0] not in {TestOutcome.FAILED, TestOutcome.ERROR}:
            odd.append("a planted test that cannot pass did not fail: this run's results are not to be believed")
    for test in judge.tests:
        if test.endswith(ALL):
            results += _whole_file(test.removesuffix(ALL), told, by_id, over)
            continue
        found = by_id.pop(test, [])
        if len(found) > 1:
            odd.append(f"{test} was reported {len(found)} times")
        results.append(found[0] if found else _missing(test, told.error_of(_file(test)), over))
    odd += told.seen
    if by_id:
        odd.append(f"tests were reported that are not expected, such as {next(iter(by_id))}")
    failed = [result for result in results if not result.passed]
    reason = ""
    if wrong:
        reason = wrong
    elif over and (ended.timed_out or ended.exceeded or not failed or all(r.outcome == "missing" for r in failed)):
        reason = over
    elif failed:
        first = failed[0]
        reason = f"{len(failed)} of {len(results)} tests do not pass; {first.id}: {first.message or first.outcome}"
    elif odd:
        reason = odd[0]
    elif told.status != (1 if decoys else 0):
        reason = f"all tests passed, but {judge.framework} itself ended with status {told.status}"
    return Verdict(
        passed=not reason and bool(results),
        results=tuple(results),
        reason=reason or ("" if results else "no test was run"),
        output=redacted(ended.output),
        seconds=ended.seconds,
        cpu_seconds=ended.cpu_seconds,
        timed_out=ended.timed_out,
        decided_by=decided_by,
        loaded=told.loaded_files,
        warm=ended.warm,
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
