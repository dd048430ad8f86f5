"""Tests that no implementation of the target can make pass yet, because they need another stub.

The baseline finds those that call the other stub first.  The rest show themselves when a candidate is good enough to
let a test come that far: it then fails with the other stub's `NotImplementedError`, without the target on the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import evolve

from engine.languages.base import Function, Language, Target
from engine.verification.base import Judge, TestResult, Verdict


def leave_out_blocked(
    judge: Judge, verdict: Verdict, language: Language, target: Target, root: Path, read: Callable[[Path], str]
) -> tuple[Judge, Verdict]:
    """The judge without tests that another stub blocks, and the verdict over what is left.

    Both as they were if nothing is blocked, or if nothing would be left that passed: a candidate cannot win by having
    every test excused.

    Args:
        read: the text of a file, as the run saw it.
    """
    blocked: dict[str, str] = {}
    for result in verdict.results:
        stub = _blocking_stub(result, language, target, root, read)
        if stub:
            blocked[result.id] = stub
    left = tuple(result for result in verdict.results if result.id not in blocked)
    if not blocked or not any(result.passed for result in left):
        return judge, verdict
    narrowed = evolve(
        judge,
        tests=tuple(test for test in judge.tests if test not in blocked),
        blocked={**judge.blocked, **blocked},
    )
    passed = not verdict.timed_out and all(result.passed for result in left)
    failed = next((result for result in left if not result.passed), None)
    reason = f"{failed.id}: {failed.message or failed.outcome}" if failed else ""
    return narrowed, evolve(verdict, results=left, passed=passed, reason=reason)


def _blocking_stub(
    result: TestResult, language: Language, target: Target, root: Path, read: Callable[[Path], str]
) -> str:
    """The stub whose `NotImplementedError` ended the test, unless the target called it."""
    if result.passed or not result.message.startswith("NotImplementedError") or not result.frames:
        return ""
    wanted = {function.qualname for function in target.functions}
    stub = ""
    for place, line in result.frames:
        path = root / place
        function = _function_at(read(path), line, language) if language.handles(path) else None
        if function is not None and path == target.path and _belongs(function.qualname, wanted):
            return ""
        stub = function.qualname if function is not None and function.is_stub else ""
    return stub


def _belongs(qualname: str, wanted: set[str]) -> bool:
    """Whether a function is the target, or nested in it: a closure that the candidate hands out is no other stub."""
    return any(qualname == name or qualname.startswith(f"{name}.") for name in wanted)


def _function_at(text: str, line: int, language: Language) -> Function | None:
    """The innermost function around a line, counted from 1."""
    around: Sequence[Function] = [
        function
        for function in language.functions(text)
        if text.count("\n", 0, function.start) < line <= text.count("\n", 0, function.end) + 1
    ]
    return max(around, key=lambda function: function.start, default=None)
