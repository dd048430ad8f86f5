"""Judges a given text, without a model: the same judge, gate and sandbox as in a run, and nothing is changed."""

from __future__ import annotations

from typing import Literal

import anyio
from attrs import frozen

from engine.config import Settings
from engine.errors import TargetNotFoundError
from engine.languages import language_for
from engine.languages.base import Language, Target
from engine.request import ImplementRequest
from engine.verification.base import Baseline, TestResult
from engine.verification.blocked import leave_out_blocked
from engine.verification.gate import Gate, Refused
from engine.verification.interpreter import find_interpreter
from engine.verification.nominate import nomination
from engine.verification.verifier import Verifier, reach_statement
from engine.workspace import Snapshot

Replace = Literal["target", "module"]
_RUNS = 2  # a winner is confirmed once; so is a given text


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
    snapshot = Snapshot.take(request.path, request.buffers())
    target = language.target_named(request.path, snapshot.text, request.qualname)
    python = await find_interpreter(request.root, request.path, setting=settings.python, hint=request.python_hint)
    async with Verifier(request.root, python, settings) as verifier:
        baseline = await find_baseline(verifier, language, target, request, snapshot)
        text = candidate
        if replace == "target":
            sources = [snapshot.read(file) for file in baseline.judge.files]
            solution = language.solution_in(candidate, target)
            admitted = Gate(language, snapshot.text, target, sources).judge(1, solution)
            if isinstance(admitted, Refused):
                return Judgement(False, admitted.reason, (), verifier.level, "gate")
            text = admitted.text
        texts = {**snapshot.overlays, request.path: text}
        judge = baseline.judge
        for _ in range(_RUNS):
            verdict = await verifier.run(judge, texts, time_limit=baseline.time_limit)
            judge, verdict = leave_out_blocked(
                judge, verdict, language, target, request.root, lambda path: texts.get(path) or snapshot.read(path)
            )
            if not verdict.passed:
                break
        return Judgement(verdict.passed, verdict.reason, verdict.results, verifier.level, verdict.decided_by)


async def find_baseline(
    verifier: Verifier, language: Language, target: Target, request: ImplementRequest, snapshot: Snapshot
) -> Baseline:
    """The judge of `target` and its result before anything is changed.

    Raises:
        JudgeError: there is none that could decide anything.
    """
    wanted = {f.qualname for f in target.functions}
    stubs = [f.qualname for f in language.functions(snapshot.text) if f.is_stub and f.qualname not in wanted]
    statements = {name: reach_statement(name) for name in (*wanted, *stubs)}
    nominated = await anyio.to_thread.run_sync(
        lambda: nomination(request.root, snapshot.buffers, target.path, target.names)
    )
    return await verifier.baseline(
        target_path=target.path,
        targets=sorted(wanted),
        stubs=stubs,
        instrumented={target.path: language.instrument(snapshot.text, statements)},
        overlays=snapshot.overlays,
        nominated=nominated.files,
        looked_in=nominated.looked_in,
    )


__all__ = ["Judgement", "find_baseline", "judge_text"]
