"""The strict verdict on exactly the text that would be applied, in the workspace as it is now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import anyio
from attrs import evolve, frozen

from engine.candidate import Candidate, Winner
from engine.errors import GreenfinchError, TargetNotFoundError
from engine.judgement import Trial
from engine.languages.base import Solution, Target
from engine.verification.base import Judge
from engine.workspace import Evidence, Snapshot

_TURNS = 3  # the workspace may change while a winner is confirmed; after so many changes it is not applied


@frozen
class Confirmation:
    """What came of it.

    Attributes:
        winner: None if the run failed, or could not be about the workspace as it is.
        reason: why it failed.
        stale: the target, or what the tests read, went on changing.
        cpu_seconds: of the tests.
    """

    winner: Winner | None = None
    reason: str = ""
    stale: bool = False
    cpu_seconds: float = 0.0


async def confirm(
    trial: Trial, judge: Judge, candidate: Candidate, loaded: Iterable[Path], slots: anyio.CapacityLimiter
) -> Confirmation:
    """Confirm a candidate that has passed.

    Args:
        loaded: files that the tests are known to read: if one is written meanwhile, the run is about the past.
        slots: one is taken for each decision.
    """
    language, request = trial.language, trial.request
    cpu, reason = 0.0, ""
    for solution, untested in _final_forms(trial, candidate):
        for _ in range(_TURNS):
            try:
                snapshot = Snapshot.take(request)
            except GreenfinchError:  # removed meanwhile, or saved as no text
                return Confirmation(stale=True, cpu_seconds=cpu)
            target = relocated(trial, snapshot.text)
            if target is None:
                return Confirmation(stale=True, cpu_seconds=cpu)
            text = language.render(snapshot.text, target, solution)
            evidence = Evidence.of(snapshot, loaded, request.root)
            async with slots:
                strict = await trial.case(judge, snapshot, target, text).decide()
            cpu += strict.cpu_seconds
            if not evidence.holds(request):
                continue
            if strict.accepted:
                winner = Winner(candidate, solution, snapshot.text, text, target, strict, untested, evidence)
                return Confirmation(winner, cpu_seconds=cpu)
            reason = strict.reason
            candidate.unstable = strict.unsteady and snapshot.text == trial.snapshot.text
            candidate.verdict = evolve(strict.verdict, passed=False, reason=reason)
            break
        else:
            return Confirmation(stale=True, cpu_seconds=cpu)
    return Confirmation(reason=reason, cpu_seconds=cpu)


def relocated(trial: Trial, text: str) -> Target | None:
    """The target in a text that may have changed around it; None if the target itself did."""
    base = trial.snapshot.text
    if text == base:
        return trial.target
    try:
        target = trial.language.target_named(trial.request.path, text, trial.target.qualname)
    except TargetNotFoundError:
        return None
    was = [base[f.start : f.end] for f in trial.target.functions]
    now = [text[f.start : f.end] for f in target.functions]
    return target if was == now else None


def _final_forms(trial: Trial, candidate: Candidate) -> Iterator[tuple[Solution, tuple[str, ...]]]:
    """The candidate without the bodies that no test has reached, and their names; then, should the tests need these
    after all (a fixture may, unseen by the probe), the whole of it.
    """
    solution, verdict = candidate.solution, candidate.verdict
    if solution is None:
        return
    if verdict is not None and len(solution.bodies) > 1:
        reached = {name for result in verdict.results for name in result.reached}
        tested = {name: body for name, body in solution.bodies.items() if name in reached}
        if tested and len(tested) < len(solution.bodies):
            functions = tuple(f for f in trial.target.functions if f.qualname in tested)
            target = evolve(trial.target, functions=functions)
            checked = trial.language.check(trial.snapshot.text, target, Solution(tested))
            if not checked.problem:
                yield checked.solution, tuple(name for name in solution.bodies if name not in tested)
    yield solution, ()
