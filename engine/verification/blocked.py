"""Tests that no implementation of the target can make pass yet, because they need another stub.

The baseline finds those that call the other stub first.  The rest show themselves when a candidate is good enough to
let a test come that far: the test then calls the other stub itself (the probe tells, for stubs of the target's file),
or fails with its `NotImplementedError`, without the target on the stack.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path

from attrs import evolve

from engine.languages.base import Function, Language, Target
from engine.verification.base import Judge, TestResult, Verdict
from engine.verification.judging import ALL


def leave_out_blocked(
    judge: Judge,
    verdict: Verdict,
    language: Language,
    target: Target,
    root: Path,
    read: Callable[[Path], str],
    bodies: Iterable[str],
) -> tuple[Judge, Verdict]:
    """The judge without tests that another stub blocks, and the verdict over what is left.

    Both as they were if nothing is blocked, or if nothing would be left that passed: a candidate cannot win by having
    every test excused.  Nor is a test excused by a stub that the candidate itself names: it may have handed it out.

    Args:
        read: the text of a file, as the run saw it; empty for one that cannot be read.
        bodies: what the candidate consists of.
    """
    text = "\n".join(bodies)
    blocked: dict[str, str] = {}
    places = _Places(root, read, language)
    for result in verdict.results:
        stub = _blocking_stub(result, target, root, places)
        if stub and not re.search(rf"\b{re.escape(_bare(stub))}\b", text):
            blocked[result.id] = stub
    left = tuple(result for result in verdict.results if result.id not in blocked)
    if not blocked or not any(result.passed for result in left):
        return judge, verdict
    narrowed = evolve(judge, tests=_narrowed(judge.tests, blocked, left), blocked={**judge.blocked, **blocked})
    failed = next((result for result in left if not result.passed), None)
    reason = f"{failed.id}: {failed.message or failed.outcome}" if failed else ""
    return narrowed, evolve(verdict, results=left, passed=not verdict.timed_out and failed is None, reason=reason)


def _narrowed(tests: Sequence[str], blocked: Iterable[str], left: Sequence[TestResult]) -> tuple[str, ...]:
    """The tests without the blocked ones; a whole file that holds one is replaced by its other tests."""
    excused = set(blocked)
    narrowed: list[str] = []
    for test in tests:
        file = test.removesuffix(ALL)
        if test.endswith(ALL) and any(each.startswith(f"{file}::") for each in excused):
            narrowed += [result.id for result in left if result.id.startswith(f"{file}::")]
        elif test not in excused:
            narrowed.append(test)
    return tuple(narrowed)


def _blocking_stub(result: TestResult, target: Target, root: Path, places: _Places) -> str:
    """The stub that the test cannot do without; empty if there is none, or if the target called it."""
    if result.passed:
        return ""
    if result.blocked_by:
        return result.blocked_by[0]
    if not result.message.startswith("NotImplementedError"):
        return ""
    wanted = {function.qualname for function in target.functions}
    own = target.path.resolve()
    stub = ""
    for place, line in result.frames:
        function = places.function_at(place, line)
        if function is not None and _belongs(function.qualname, wanted) and (root / place).resolve() == own:
            return ""
        stub = function.qualname if function is not None and function.is_stub else ""
    return stub


def _belongs(qualname: str, wanted: set[str]) -> bool:
    """Whether a function is the target, or nested in it: a closure that the candidate hands out is no other stub."""
    return any(qualname == name or qualname.startswith(f"{name}.") for name in wanted)


def _bare(qualname: str) -> str:
    return qualname.rpartition(":")[2].partition("[")[0].rpartition(".")[2]


class _Places:
    """Which functions stand where in the files of a run.  Thousands of tests may have failed in the same few places."""

    def __init__(self, root: Path, read: Callable[[Path], str], language: Language) -> None:
        self._root, self._read, self._language = root, read, language
        self._texts: dict[str, tuple[str, list[int]]] = {}
        self._found: dict[tuple[str, int], Function | None] = {}

    def function_at(self, place: str, line: int) -> Function | None:
        """The innermost function around a line, counted from 1, of the file at `place` below the root."""
        key = (place, line)
        if key not in self._found:
            self._found[key] = self._look(place, line) if self._language.handles(self._root / place) else None
        return self._found[key]

    def _look(self, place: str, line: int) -> Function | None:
        if place not in self._texts:
            text = self._read(self._root / place)
            lengths = (len(each) for each in text.splitlines(keepends=True))
            self._texts[place] = (text, [0, *accumulate(lengths)])
        text, starts = self._texts[place]
        offset = starts[min(line, len(starts)) - 1]
        end = text.find("\n", offset)
        end = len(text) if end < 0 else end
        around = [f for f in self._language.functions(text) if f.start <= end and offset <= f.end]
        return max(around, key=lambda function: function.start, default=None)
