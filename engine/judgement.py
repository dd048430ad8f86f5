"""Judges a given text, without a model: the same judge, gate and sandbox as in a run, and nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import anyio
from attrs import frozen

from engine.config import Settings
from engine.errors import TargetNotFoundError
from engine.languages import language_for
from engine.languages.base import Language, Solution, Target
from engine.request import ImplementRequest
from engine.verification.base import Baseline, Judge, TestResult, Verdict
from engine.verification.blocked import leave_out_blocked
from engine.verification.gate import Gate, Refused
from engine.verification.interpreter import find_interpreter
from engine.verification.nominate import nomination
from engine.verification.verifier import Verifier, reach_statement
from engine.workspace import Snapshot

Replace = Literal["target", "module"]


@frozen
class Judgement:
    """What was found.

    Attributes:
        accepted: every test of the judge passed, in two runs.
        reason: why not, in one line; empty if it was accepted.
        tests: of the run that decided; none if the gate refused the text.
        sandbox_level: of the confinement the tests ran in.
        decided_by: how, e.g. `pytest in namespaces`, or `gate`.
    """

    accepted: bool
    reason: str
    tests: tuple[TestResult, ...]
    sandbox_level: str
    decided_by: str


@frozen
class Trial:
    """What tests say of texts for one target: the first, searching run of a candidate, and what it tells besides.

    Attributes:
        stubs: names of the other stubs in the target's file.
    """

    verifier: Verifier
    language: Language
    target: Target
    request: ImplementRequest
    snapshot: Snapshot
    stubs: tuple[str, ...]
    time_limit: float

    @classmethod
    def of(
        cls, verifier: Verifier, language: Language, target: Target, request: ImplementRequest, snapshot: Snapshot,
        time_limit: float,
    ) -> Trial:  # fmt: skip
        """A trial for candidates that were made for `snapshot`."""
        stubs = other_stubs(language, target, snapshot.text)
        return cls(verifier, language, target, request, snapshot, stubs, time_limit)

    async def run(self, judge: Judge, text: str, bodies: Sequence[str]) -> tuple[Judge, Verdict]:
        """Judge the document `text`.  Tests that another stub blocks are taken out of the judge that is returned.

        Where it matters which functions a test reaches (the target has several, or there are other stubs), the probe
        is in the text; it is not in the one that is confirmed.
        """
        names = tuple(function.qualname for function in self.target.functions)
        probed = names + self.stubs if len(names) > 1 or self.stubs else ()
        verdict = await self.verifier.run(
            judge,
            {**self.snapshot.overlays, self.request.path: probe(self.language, text, probed)},
            time_limit=self.time_limit,
            targets=names,
            stubs=self.stubs,
        )
        own = self.request.path.resolve()

        def read(path: Path) -> str:
            return text if path.resolve() == own else self.snapshot.glance(path)

        root = self.request.root
        return leave_out_blocked(judge, verdict, self.language, self.target, root, read, bodies)


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
    target = language.target_named(request.path, snapshot.text, request.qualname)
    solution = (
        language.solution_in(candidate, target) if replace == "target" else Solution({target.qualname: candidate})
    )
    python = await find_interpreter(request.root, request.path, setting=settings.python, hint=request.python_hint)
    async with Verifier(request.root, python, settings) as verifier:
        baseline = await find_baseline(verifier, language, target, request, snapshot, may_pass=not target.is_stub)
        text = candidate
        if replace == "target":
            sources = [snapshot.read(file) for file in baseline.judge.files]
            admitted = Gate(language, snapshot.text, target, sources).judge(1, solution)
            if isinstance(admitted, Refused) and not _is_as_it_stands(language, snapshot.text, target, solution):
                return Judgement(False, admitted.reason, (), verifier.level, "gate")
            text = snapshot.text if isinstance(admitted, Refused) else admitted.text
        trial = Trial.of(verifier, language, target, request, snapshot, baseline.time_limit)
        judge, verdict = await trial.run(baseline.judge, text, tuple(solution.bodies.values()))
        if verdict.passed:  # once more on exactly the text
            texts: Mapping[Path, str] = {**snapshot.overlays, request.path: text}
            verdict = await verifier.run(judge, texts, time_limit=baseline.time_limit)
        return Judgement(verdict.passed, verdict.reason, verdict.results, verifier.level, verdict.decided_by)


def _is_as_it_stands(language: Language, text: str, target: Target, solution: Solution) -> bool:
    """Whether the text to judge is what the document holds already, which a run would refuse and a judge need not."""
    if target.is_stub:
        return False
    return language.canonical(language.render(text, target, solution), target) == language.canonical(text, target)


def other_stubs(language: Language, target: Target, text: str) -> tuple[str, ...]:
    """Names of the stubs in the target's file that are not the target's own."""
    wanted = {function.qualname for function in target.functions}
    return tuple(f.qualname for f in language.functions(text) if f.is_stub and f.qualname not in wanted)


def probe(language: Language, text: str, names: Sequence[str]) -> str:
    """The text with the probe in each of the functions `names`."""
    return language.instrument(text, {name: reach_statement(name) for name in names})


async def find_baseline(
    verifier: Verifier, language: Language, target: Target, request: ImplementRequest, snapshot: Snapshot, *,
    may_pass: bool = False,
) -> Baseline:  # fmt: skip
    """The judge of `target` and its result before anything is changed.

    Args:
        may_pass: it is no error if every test passes already.

    Raises:
        JudgeError: there is none that could decide anything.
    """
    wanted = sorted(function.qualname for function in target.functions)
    stubs = other_stubs(language, target, snapshot.text)
    nominated = await anyio.to_thread.run_sync(
        lambda: nomination(request.root, snapshot.buffers, target.path, target.names)
    )
    return await verifier.baseline(
        target_path=target.path,
        targets=wanted,
        stubs=stubs,
        instrumented={target.path: probe(language, snapshot.text, (*wanted, *stubs))},
        overlays=snapshot.overlays,
        nominated=nominated.files,
        looked_in=nominated.looked_in,
        may_pass=may_pass,
    )
