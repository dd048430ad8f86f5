"""How a run ends: the winner's edits and proof, or the best attempt and the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve, field, frozen

from engine.candidate import Candidate, Winner
from engine.config import Settings
from engine.diffs import unified_diff
from engine.energy import Energy
from engine.events import BestAttempt, OpenQuestion, Outcome
from engine.languages.base import Language, Target
from engine.search import LEAST_TOKENS
from engine.verification.base import Judge


@frozen
class Ending:
    """All that an outcome is told from.

    Attributes:
        name: the document's path, for diffs.
        base: its text when the run began.
        tokens: sampled by all candidates, those that were cut off included.
        question: what the candidates that pass disagree about.
        doubt: why the winner may be wrong, although it passes.
        still_so: of the winner; see `Outcome`.
        went_on: what failed, and what went on in its place.
        stale: a candidate that passed, but could not be confirmed on a workspace that went on changing.
        record: file that keeps the run, or empty; unrecorded: why it is not kept.
    """

    settings: Settings
    language: Language
    target: Target
    judge: Judge
    candidates: Sequence[Candidate]
    name: str
    base: str
    seconds: float
    tokens: int
    energy: Energy
    record: str
    unrecorded: str = ""
    winner: Winner | None = None
    question: OpenQuestion | None = None
    doubt: str = ""
    still_so: Callable[[], bool] = field(default=lambda: False)
    stale: Candidate | None = None
    went_on: Sequence[str] = ()


def conclude(ending: Ending) -> Outcome:
    """The run's outcome."""
    price = ending.settings.price_per_kwh
    common = Outcome(
        passed=False,
        tests_passed=0,
        tests_total=0,
        candidates=len(ending.candidates),
        seconds=round(ending.seconds, 3),
        tokens=ending.tokens,
        energy_wh=ending.energy.watt_hours,
        energy_label=ending.energy.label,
        energy_phases=dict(ending.energy.phases),
        cost=ending.energy.cost(price) if price else None,
        currency=ending.settings.currency if price else "",
        edit=None,
        reason="",
        record=ending.record,
        unrecorded=ending.unrecorded,
        went_on=tuple(ending.went_on),
    )
    return _lost(common, ending) if ending.winner is None else _won(common, ending, ending.winner)


def _won(common: Outcome, ending: Ending, winner: Winner) -> Outcome:
    total = winner.strict.verdict.tests_total
    number = winner.candidate.attempt.number
    left_out = f", {len(ending.judge.blocked)} left out" if ending.judge.blocked else ""
    count = len(winner.untested)
    alone = f", {count} stub{'s' * (count > 1)} without tests left alone" if count else ""
    energy = f"{ending.energy.watt_hours:.2g} Wh {ending.energy.label}"
    went_on = "".join(f"; {how}" for how in ending.went_on)
    return evolve(
        common,
        passed=True,
        tests_passed=total,
        tests_total=total,
        edit=unified_diff(winner.base, winner.text, ending.name),
        proof=(
            f"{ending.target.label}: {total}/{total} tests pass{left_out}{alone} "
            f"(candidate {number} of {len(ending.candidates)}, {ending.seconds:.1f} s, {energy}{went_on})"
        ),
        winner=number,
        decided_by=winner.strict.decided_by,
        overfit_suspect=winner.strict.suspicion,
        doubt=ending.doubt,
        open_question=ending.question,
        untested=winner.untested,
        base=winner.base,
        edits=ending.language.splice(winner.base, winner.target, winner.solution),
        text=winner.text,
        solution=winner.solution,
        still_so=ending.still_so,
    )


def _lost(common: Outcome, ending: Ending) -> Outcome:
    best = _best(ending)
    return evolve(
        common,
        tests_passed=best.tests_passed if best else 0,
        tests_total=best.tests_total if best else len(ending.judge.tests),
        reason=_reason(ending) + _withdrawn(ending.candidates),
        best=best,
        base=ending.base,
        solution=ending.stale.solution if ending.stale else None,
    )


def _reason(ending: Ending) -> str:
    if ending.stale is not None:
        return "the target, or what its tests read, was changed while it was being implemented"
    if any(candidate.unstable for candidate in ending.candidates):
        return "a candidate passed once and failed when it was confirmed: the tests are not deterministic"
    if ending.seconds >= ending.settings.budget_seconds:
        return f"the budget of {ending.settings.budget_seconds:g} s is used up"
    settings, spent = ending.settings, ending.tokens
    if settings.budget_tokens and spent + LEAST_TOKENS > settings.budget_tokens:
        return f"the budget of {settings.budget_tokens} tokens is used up"
    if settings.budget_wh and ending.energy.watt_hours >= settings.budget_wh:
        return f"the budget of {settings.budget_wh:g} Wh is used up ({ending.energy.label})"
    count = len(ending.candidates)
    return f"none of {count} candidates passed" if count > 1 else "its one candidate did not pass"


def _withdrawn(candidates: Sequence[Candidate]) -> str:
    """What became of a candidate that had passed, where that is not the reason already."""
    refused = next((c for c in candidates if c.withdrawn and not c.unstable), None)
    return f"; candidate {refused.attempt.number} passed, but {refused.reason}" if refused else ""


def _best(ending: Ending) -> BestAttempt | None:
    """Of what was sampled: a body that was there before is no attempt."""
    tested = [(c, c.verdict) for c in ending.candidates if c.verdict is not None and c.origin != "existing"]
    if not tested:
        return None
    best, verdict = max(tested, key=lambda pair: (pair[1].tests_passed, -pair[0].attempt.number))
    return BestAttempt(
        best.attempt.number,
        verdict.tests_passed,
        verdict.tests_total,
        unified_diff(ending.base, best.text, ending.name),
        verdict.first_failure,
        whole=best.attempt.whole,
    )
