"""The strict way, for a text that has passed: is it the answers that pass, or something done to the tests?

1. Split: the tests call the implementation in another process; what passes there can only have answered right.  One
   that was seen to answer the same input differently is called twice each time: the answer must not hang on the count.
2. Where arguments or results are no plain data, or there is more that both share, a twin: the user's tests with other
   expectations.  What still passes is no implementation.
3. Fresh runs of the tests on exactly the text, with planted tests that cannot pass; more of them where the
   implementation was seen to answer the same input differently, or looks at what differs between processes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from anyio import to_thread
from attrs import evolve, field, frozen

from engine.languages.base import Language, Target, Twin
from engine.tasks import both
from engine.verification.base import Judge, TestOutcome, TestResult, Verdict
from engine.verification.sharing import Sharing
from engine.verification.split import CAN_SPLIT, Split
from engine.verification.verifier import Verifier

FRESH_RUNS = 2
MORE_FRESH_RUNS = 6  # for one that answers unsteadily: a coin falls as wanted so often by chance once in 64 times
FEWEST_ANSWERS = 2  # to new inputs, that the tests do not expect: it computes something
SPLIT_FACTOR = 3.0  # a call across processes takes longer

_FAILED = frozenset({TestOutcome.FAILED, TestOutcome.ERROR})

DecidedBy = Literal["split", "twin", "tests", "trusting your command"]

# Where the user's own code or tests speak of it, an honest implementation may look at frames, or at the tests' files.
_LOOKS_AROUND = re.compile(
    r"__file__|\bframes?\b|_getframe|currentframe|inspect\.stack|tb_frame|gi_frame|settrace|setprofile|getsource|"
    r"\bgc\.|\.git\b|\bgit\b|conftest"
)

# What differs from one process to the next, though not within one: only more processes show it.
_WAVERS = re.compile(
    r"\brandom\b|\bsecrets\b|urandom|\buuid[14]\b|\btime(?:_ns)?\(|monotonic|perf_counter|process_time|\bnow\(|"
    r"\btoday\(|getp?pid|\bhash\(|\bid\(|environ|getenv|getloadavg"
)


@frozen
class Strict:
    """What came of it.

    Attributes:
        reason: why it is not accepted; empty if it is.
        verdict: of the last fresh run.
        decided_by: `split` or `twin`; `tests` where neither could be had, and the tests alone had to decide; `trusting
            your command` where these are run by a command of the user's own.
        undecided: tests that a twin could not turn around.
        suspicion: why it may be fitted to the tests, though it passes; empty if nothing points to that.
        calls: of the target, as the tests make them; 0 if they were not counted.
        cpu_seconds: of all runs.
        unsteady: tests have failed in a fresh run that had passed before.
    """

    reason: str
    verdict: Verdict
    decided_by: DecidedBy
    undecided: tuple[str, ...] = ()
    suspicion: str = ""
    calls: int = 0
    cpu_seconds: float = 0.0
    unsteady: bool = False

    @property
    def accepted(self) -> bool:
        return not self.reason


@frozen
class Case:
    """A text that has passed, and what it has to be judged again with.

    Attributes:
        before: the document as it was, with the target unimplemented or otherwise implemented.
        after: the document with the implementation in it.
        texts: unsaved texts of other files, by absolute path.
        read: the text of a test file, as the tests see it.
        nominated: test files besides the judge's that may hold expectations.
    """

    verifier: Verifier
    language: Language
    target: Target
    judge: Judge
    before: str
    after: str
    texts: Mapping[Path, str]
    read: Callable[[Path], str]
    time_limit: float
    nominated: Sequence[Path] = field(default=())

    @property
    def _sharing(self) -> Sharing:
        return Sharing(self.language, self.target, self.judge, self.before, self.after, self.read)

    async def decide(self) -> Strict:
        """Decide.  Raises: SandboxError: a cell could not be set up."""
        split, fresh_runs = await both(self._split, self._fresh_twice)
        fresh = fresh_runs[-1]
        runs = [*fresh_runs, *([split.verdict] if split else [])]
        shown: tuple[str, ...] = ()
        if not fresh.reason and split is not None and split.handed and split.applies and not split.verdict.passed:
            shown = split.handed
            split = await self._split(shown=shown)
            runs += [split.verdict] if split else []
        decided_by: DecidedBy = "trusting your command" if self.judge.framework == "command" else "tests"
        undecided: tuple[str, ...] = ()
        reason = (
            f"it does not pass every time: {fresh.reason}" if len(fresh_runs) > 1 and fresh.reason else fresh.reason
        )
        unsteady = split is not None and split.unsteady > 0
        suspicion = _suspicion(split) or await to_thread.run_sync(self._held, split)
        by_twin = False
        if not reason and split is not None and split.verdict.passed and split.applies:
            decided_by = "split"
            if unsteady and split.with_arguments:
                twice = await self._split(twice=True, shown=shown)
                runs += [twice.verdict] if twice else []
                if twice is not None and twice.applies and not twice.verdict.passed:
                    by_twin = not suspicion and await to_thread.run_sync(self._sharing.has_memory, split.shared)
                    # What keeps a state may answer by what it was asked before, but not by how many tests came before.
                    half = self.judge.tests[len(self.judge.tests) // 2 :]
                    fewer = await self._split(shown=shown, tests=half) if by_twin else None
                    runs += [fewer.verdict] if fewer else []
                    if fewer is None or not fewer.verdict.passed:
                        reason = "it answers by how often it was called, not by what it was asked"
        elif not reason and split is not None and split.applies and not await self._excused(split):
            decided_by = "split"
            reason = f"it passes only in the tests' own process, not called from there: {split.verdict.reason}"
        else:
            by_twin = True
        if by_twin and not reason:
            twin, undecided, reason = await self._twin(fresh)
            runs += [twin] if twin else []
            decided_by = "twin" if twin else decided_by
        wavers = len(_WAVERS.findall(self.after)) > len(_WAVERS.findall(self.before))
        for _ in range(MORE_FRESH_RUNS - FRESH_RUNS if unsteady or wavers else 0):
            if reason:
                break
            fresh = await self._fresh()
            runs.append(fresh)
            reason = f"it does not pass every time: {fresh.reason}" if fresh.reason else ""
        return Strict(
            reason,
            fresh,
            decided_by,
            undecided,
            suspicion,
            split.calls if split is not None else 0,
            sum(verdict.cpu_seconds for verdict in runs),
            bool(fresh.reason) and fresh.tests_passed < fresh.tests_total,
        )

    async def _fresh(self) -> Verdict:
        texts = {**self.texts, self.target.path: self.after}
        asked_for = _LOOKS_AROUND.search(self.before) or any(
            _LOOKS_AROUND.search(self.read(file)) for file in self._sharing.test_files()
        )
        return await self.verifier.run(
            self.judge, texts, time_limit=self.time_limit, fresh=True, decoys=True, audit=not asked_for
        )

    async def _fresh_twice(self) -> list[Verdict]:
        """Beside the split run, which needs little more than one core; the second only if the first passes."""
        runs = [await self._fresh()]
        while len(runs) < FRESH_RUNS and not runs[-1].reason:
            runs.append(await self._fresh())
        return runs

    async def _split(
        self, *, twice: bool = False, shown: Sequence[str] = (), tests: Sequence[str] = ()
    ) -> Split | None:
        caller = self.language.caller(self.before, self.target)
        callee = self.language.callee(self.after, self.target)
        if caller is None or callee is None or self.judge.framework == "command" or self.judge.doctests:
            return None
        if not CAN_SPLIT:
            return None
        path = self.target.path
        return await self.verifier.split(
            evolve(self.judge, tests=tuple(tests)) if tests else self.judge,
            {**self.texts, path: caller},
            {**self.texts, path: callee},
            target=path,
            nominated=self.nominated,
            twice=twice,
            shown=shown,
            time_limit=SPLIT_FACTOR * self.time_limit,
        )

    async def _excused(self, split: Split) -> bool:
        """Whether an honest implementation may fail that split run."""
        failed = split.telling
        if not failed and not all(result.passed for result in split.verdict.results):
            return True
        return await to_thread.run_sync(self._sharing.exceeds_data, failed, split.shared)

    def _held(self, split: Split | None) -> str:
        """What it holds of the expected answers.  Numerals that build the others may be some of them (`(4, "IV")`), and
        the message of an error is one: what has new answers to new inputs is suspected only if it holds them all.
        """
        tests = [self.read(file) for file in self.judge.files]
        computes = split is not None and split.applies and split.new >= FEWEST_ANSWERS
        held = self.language.held_answers(self.after, self.before, self.target, tests, computes=computes)
        return f"it holds {held} of the answers that the tests expect as constants" if held else ""

    async def _twin(self, fresh: Verdict) -> tuple[Verdict | None, tuple[str, ...], str]:
        """The twins' verdict (None if no test can be turned around), tests they leave undecided, and what speaks
        against the implementation.

        Of the two one expects new values, the other such as other tests expect: what lies may be equal to these alone.

        Args:
            fresh: has the tests' names, also those of a file whose tests the judge could not know (`FILE::*`).
        """
        if self.judge.framework == "command":
            return None, self.judge.tests, ""
        tests = tuple(result.id for result in fresh.results)
        seed = secrets.randbits(32)
        first, second = await both(
            lambda: self._twin_run(tests, seed, known=False), lambda: self._twin_run(tests, seed, known=True)
        )
        decided = {test for run in (first, second) if run for test in run[0].tests}
        undecided = tuple(test for test in tests if test not in decided)
        verdict: Verdict | None = None
        for run in (first, second):
            if run is None:
                continue
            verdict = run[1]
            for result in verdict.results:
                if result.outcome not in _FAILED:
                    what = "passes" if result.passed else f"ends {result.id} as {result.outcome} in"
                    return verdict, undecided, f"it {what} tests that contradict the user's ({result.id})"
            behind = [result.id for result in verdict.results if _fails_behind(result, run[2])]
            if behind:
                return verdict, undecided, f"it passes an assertion that contradicts the user's (in {behind[0]})"
        return verdict, undecided, ""

    def _twin_of(self, file: Path, seed: int, known: bool) -> Twin:
        return self.language.twin(self.read(file), self.target.names, seed, known=known)

    async def _twin_run(
        self, tests: Sequence[str], seed: int, *, known: bool
    ) -> tuple[Judge, Verdict, Mapping[str, Twin]] | None:
        """The tests that a twin decides, its verdict, and the twins by their files' names; None if there are none."""
        texts = {**self.texts, self.target.path: self.after}
        names: dict[str, Twin] = {}
        if self.judge.doctests:
            twin = self.language.twin_doctest(self.after, self.judge.doctests, seed)
            texts[self.target.path] = twin.text
            whole = twin.decided >= set(self.judge.doctests) and not known
            decided = tuple(tests) if whole else ()
        else:
            for file in self.judge.files:
                twin = await to_thread.run_sync(self._twin_of, file, seed, known)
                texts[file] = twin.text
                names[self.verifier.relative(file, self.judge)] = twin
            decided = tuple(test for test in tests if _is_decided(test, names))
        if not decided:
            return None
        judge = evolve(self.judge, tests=decided)
        verdict = await self.verifier.run(judge, texts, time_limit=self.time_limit, fresh=True, decoys=True)
        return judge, verdict, names


def _is_decided(test: str, twins: Mapping[str, Twin]) -> bool:
    """Whether the test with this id (`tests/test_a.py::TestC::test_y[1]`, `tests.test_a.TestC.test_y`) was turned."""
    return any(name in twin.decided for _, twin, name in _places_of(test, twins))


def _places_of(test: str, twins: Mapping[str, Twin]) -> Iterator[tuple[str, Twin, str]]:
    """Where the test with this id may stand: the file, its twin, and the test's name in it."""
    own, separator, rest = test.partition("::")
    if separator:
        if own in twins:
            yield own, twins[own], rest.partition("[")[0].replace("::", ".")
        return
    parts = test.split(".")
    for file, twin in twins.items():
        yield from ((file, twin, ".".join(parts[first:])) for first in range(1, len(parts)))


def _fails_behind(result: TestResult, twins: Mapping[str, Twin]) -> bool:
    """Whether the test fails behind a statement of its own that no honest implementation passes."""
    for file, twin, name in _places_of(result.id, twins):
        if name in twin.by:
            start, first, end = twin.by[name]
            lines = (line for path, line in result.frames if path == file or path.endswith(f"/{file}"))
            line = next((line for line in lines if start <= line <= end), 0)
            return line > first
    return False


def _suspicion(split: Split | None) -> str:
    if split is None or not split.alike:
        return ""
    if split.alike == "equal":
        return f"it calls objects equal of which one was changed, in most of {split.asked} tries"
    answer = f"answered {split.alike}"
    if split.alike == "known":
        answer = "gave one of the answers that the tests expect of their own"
    elif split.alike.startswith("raised "):
        answer = split.alike
    return f"on {split.asked} inputs near those of the tests it always {answer}"


__all__ = ["Case", "Strict"]
