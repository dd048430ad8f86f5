"""Judges a given text, without a model: the same judge, gate and sandbox as in a run, and nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import anyio
from attrs import evolve, frozen

from engine.config import Settings
from engine.errors import BlockedJudgeError, NoTestsError, TargetNotFoundError
from engine.languages import language_for
from engine.languages.base import Language, Solution, Target
from engine.request import ImplementRequest
from engine.verification import command as own_command
from engine.verification.base import Baseline, Judge, TestResult, Verdict
from engine.verification.blocked import leave_out_blocked
from engine.verification.gate import Gate, Refused
from engine.verification.interpreter import find_interpreter
from engine.verification.nominate import nomination, nominations
from engine.verification.strict import Case
from engine.verification.verifier import Verifier, reach_statement
from engine.wording import some_of
from engine.workspace import Snapshot

Replace = Literal["target", "module"]


@frozen
class Judgement:
    """What was found.

    Attributes:
        accepted: every test of the judge passed, and it was the implementation that made them.
        reason: why not, in one line; empty if it was accepted.
        tests: of the last run of the tests on exactly that text; none if the gate refused the text.
        sandbox_level: of the confinement the tests ran in.
        decided_by: `gate`, `tests` (they fail, or nothing stricter could be had), `split` or `twin` (see
            `verification.strict`), or `trusting your command`.
        overfit_suspect: why it may be fitted to the tests' own inputs, though it passes; empty if nothing says so.
        flags: what is unusual in the text without being wrong.
        undecided: tests whose verdict the twin could not turn around.
        warnings: what the user should know of the tests: slow ones, and such as were left out, with the reason.
    """

    accepted: bool
    reason: str
    tests: tuple[TestResult, ...]
    sandbox_level: str
    decided_by: str
    overfit_suspect: str = ""
    flags: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@frozen
class Trial:
    """What tests say of texts for one target: the first, searching run of a candidate, and what it tells besides.

    Attributes:
        stubs: names of the other stubs in the target's file.
        nominated: test files that may hold expectations; see `Baseline`.
    """

    verifier: Verifier
    language: Language
    target: Target
    request: ImplementRequest
    snapshot: Snapshot
    stubs: tuple[str, ...]
    time_limit: float
    nominated: tuple[Path, ...] = ()

    @classmethod
    def of(
        cls, verifier: Verifier, language: Language, target: Target, request: ImplementRequest, snapshot: Snapshot,
        baseline: Baseline,
    ) -> Trial:  # fmt: skip
        """A trial for candidates that were made for `snapshot`."""
        return cls(
            verifier, language, target, request, snapshot, baseline.stubs, baseline.time_limit, baseline.nominated
        )  # fmt: skip

    def keep_warm(self, baseline: Baseline) -> None:
        """Have the runs to come share what their tests import, if it can be had; see `Verifier.keep_warm`."""
        wanted = tuple(sorted(function.qualname for function in self.target.functions))
        text = probe(self.language, self.snapshot.text, (*wanted, *self.stubs))
        texts = {**self.snapshot.overlays, self.target.path: text}
        self.verifier.keep_warm(baseline, texts, targets=wanted, stubs=self.stubs)

    async def run(
        self, judge: Judge, text: str, bodies: Sequence[str], *, whole: bool = True, first: Sequence[str] = ()
    ) -> tuple[Judge, Verdict]:
        """Judge the document `text`.  Tests that another stub blocks are taken out of the judge that is returned.

        Where it matters which functions a test reaches (the target has several, or there are other stubs), the probe
        is in the text; it is not in the one that is confirmed.

        Args:
            whole: run all tests, although one has failed.
            first: ids of tests that go first otherwise.
        """
        names = tuple(function.qualname for function in self.target.functions)
        probed = names + self.stubs if len(names) > 1 or self.stubs else ()
        verdict = await self.verifier.run(
            judge,
            {**self.snapshot.overlays, self.request.path: probe(self.language, text, probed)},
            time_limit=self.time_limit,
            targets=names,
            stubs=self.stubs,
            stop_at_first_failure=not whole,
            first=first,
        )
        own = self.request.path.resolve()

        def read(path: Path) -> str:
            return text if path.resolve() == own else self.snapshot.glance(path)

        root = self.request.root
        return leave_out_blocked(judge, verdict, self.language, self.target, root, read, bodies)

    def case(self, judge: Judge, snapshot: Snapshot, target: Target, text: str) -> Case:
        """What is to be decided once `text`, the document with `target` implemented in it, has passed."""
        return Case(
            verifier=self.verifier,
            language=self.language,
            target=target,
            judge=judge,
            before=snapshot.text,
            after=text,
            texts=snapshot.overlays,
            read=snapshot.glance,
            time_limit=self.time_limit,
            nominated=self.nominated,
        )


async def judge_text(
    settings: Settings, request: ImplementRequest, candidate: str, replace: Replace = "target"
) -> Judgement:
    """Judge `candidate`, which stands for the target (definitions with the bodies to use) or for the whole module.

    Raises:
        GreenfinchError: it cannot be judged: no target, no judge, no interpreter, no sandbox.
    """
    language = language_for(request.path)
    if language is None:
        raise TargetNotFoundError(f"{request.path.name} is not in a language that Greenfinch knows.")
    snapshot = Snapshot.take(request)
    try:
        target = language.target_named(request.path, snapshot.text, request.qualname)
    except TargetNotFoundError:
        if replace == "target" or request.qualname:
            raise
        target = Target(request.path, "", "module", 0, len(snapshot.text), ())  # what it has to define is not there yet
    solution, problem = Solution({target.qualname: candidate}), ""
    try:
        solution = language.solution_in(candidate, target) if replace == "target" else solution
    except TargetNotFoundError as error:
        problem = error.what
    python = await find_interpreter(request.root, request.path, setting=settings.python, hint=request.python_hint)
    async with Verifier(request.root, python, settings) as verifier:
        baseline = await find_baseline(
            verifier, language, target, request, snapshot, may_pass=not target.is_stub, may_define=replace == "module"
        )
        warnings = _warnings(baseline)
        if problem:
            return Judgement(False, problem, (), verifier.level, "gate", warnings=warnings)
        sources = [snapshot.read(file) for file in baseline.judge.files]
        gate = Gate(language, snapshot.text, target, sources)
        admitted = gate.judge_module(candidate) if replace == "module" else gate.judge(1, solution, may_stand=True)
        if isinstance(admitted, Refused):
            return Judgement(False, admitted.reason, (), verifier.level, "gate", warnings=warnings)
        text, flags = admitted.text, admitted.flags
        trial = Trial.of(verifier, language, target, request, snapshot, baseline)
        judge, verdict = await trial.run(baseline.judge, text, tuple(solution.bodies.values()))
        warnings = _warnings(evolve(baseline, judge=judge))
        if not verdict.passed:
            how = own_command.LABEL if judge.framework == own_command.FRAMEWORK else "tests"
            return Judgement(
                False, verdict.reason, verdict.results, verifier.level, how, flags=flags, warnings=warnings
            )
        strict = await trial.case(judge, snapshot, target, text).decide()
        return Judgement(
            accepted=strict.accepted,
            reason=strict.reason,
            tests=strict.verdict.results,
            sandbox_level=verifier.level,
            decided_by=strict.decided_by,
            overfit_suspect=strict.suspicion,
            flags=flags,
            undecided=strict.undecided,
            warnings=warnings,
        )


def _warnings(baseline: Baseline) -> tuple[str, ...]:
    left_out = {**baseline.judge.blocked, **baseline.judge.excluded}
    return (*baseline.warnings, *some_of(f"left out: {test} ({reason})" for test, reason in left_out.items()))


def other_stubs(language: Language, target: Target, text: str) -> dict[str, bool]:
    """The stubs in the target's file that are not the target's own, by name, and whether each of them may be meant to
    do nothing: an empty `__init__` or `__exit__` often is.
    """
    wanted = {function.qualname for function in target.functions}
    others = [f for f in language.functions(text) if f.is_stub and f.qualname not in wanted]
    return {f.qualname: f.name.startswith("__") and "raise" not in text[f.body_start : f.end] for f in others}


def probe(language: Language, text: str, names: Sequence[str]) -> str:
    """The text with the probe in each of the functions `names`."""
    return language.instrument(text, {name: reach_statement(name) for name in names})


async def find_baseline(
    verifier: Verifier, language: Language, target: Target, request: ImplementRequest, snapshot: Snapshot, *,
    may_pass: bool = False, may_define: bool = False,
) -> Baseline:  # fmt: skip
    """The judge of `target` and its result before anything is changed.

    Args:
        may_pass: it is no error if every test passes already.
        may_define: the whole module is going to be replaced, and may define what tests import in vain now.

    Raises:
        JudgeError: there is none that could decide anything.
    """
    others = other_stubs(language, target, snapshot.text)
    try:
        return await _baseline_beside(tuple(others), verifier, language, target, request, snapshot, may_pass=may_pass,
                                      may_define=may_define)  # fmt: skip
    except BlockedJudgeError:
        unwritten = tuple(name for name, may_be_meant in others.items() if not may_be_meant)
        if len(unwritten) == len(others):
            raise
        baseline = await _baseline_beside(unwritten, verifier, language, target, request, snapshot, may_pass=may_pass,
                                          may_define=may_define)  # fmt: skip
        meant = ", ".join(sorted(others.keys() - set(unwritten)))
        return evolve(baseline, warnings=(*baseline.warnings, f"taken to be empty on purpose: {meant}"))


async def _baseline_beside(
    stubs: tuple[str, ...], verifier: Verifier, language: Language, target: Target, request: ImplementRequest,
    snapshot: Snapshot, *, may_pass: bool, may_define: bool,
) -> Baseline:  # fmt: skip
    """The baseline where the functions `stubs` are not written yet either: no test that needs them can decide."""
    wanted = sorted(function.qualname for function in target.functions)
    place = (request.root, snapshot.buffers, target.path, target.names)
    further = nominations(*place)
    nominated = await anyio.to_thread.run_sync(lambda: next(further, None) or nomination(*place))
    first_error: NoTestsError | None = None
    while True:
        try:
            baseline = await verifier.baseline(
                target_path=target.path,
                targets=wanted,
                stubs=stubs,
                instrumented={target.path: probe(language, snapshot.text, (*wanted, *stubs))},
                overlays=snapshot.overlays,
                nominated=nominated.files,
                looked_in=nominated.looked_in,
                may_pass=may_pass,
                may_define=may_define,
            )
            return evolve(baseline, stubs=stubs, nominated=nominated.files)
        except NoTestsError as error:  # perhaps the tests that reach it do so in a less direct way
            first_error = first_error or error
            following = await anyio.to_thread.run_sync(lambda: next(further, None))
            if following is None:
                raise first_error from None
            nominated = following
