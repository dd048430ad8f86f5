"""`full`: the policy that users get.

Where a first, greedy candidate fails, it samples while samples still differ, and gives what it has left to whatever
promises most: new samples, other prompts, or the repair of parents whose tests show progress.  These compete by
Thompson sampling, as in REx (arXiv 2405.17503), where a parent's prior is the share of tests it passes and each try
that came to nothing counts against it.  After a first pass it looks for a few more, for a choice among them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from attrs import evolve, frozen

from engine.search.choice import FEW, LIKELY, is_likely
from engine.search.state import VARIANTS, Attempt, Decision, Repair, Sample, State, Step

COMPARED = 8
"""Passers that are compared by what they do; each costs the start of a process."""

_HOTTEST = 1.3
_FUTILE = 2
"""After so many repairs that brought nothing new, a parent has none to expect."""
_FUTILE_REPAIRS = 4
"""After so many repairs of any parents that brought nothing new, and none that did, this model mends nothing here."""
_COST = {"plain": 1.0, "bare": 1.5, "steps": 1.5, "plan": 4.0}
_REPAIR_COST = 2.5
"""What a candidate costs, in samples of the usual prompt: what is read for it and what is written."""
_PLAIN_FIRST = 2
"""So many samples of the usual prompt have failed before another prompt is tried."""
_VECTORS = 3
_CHEAP_TESTS = 0.25
_CONFIRMATION, _CONFIRMATION_LEAST = 4, 1.0
"""What it takes to compare passers and to confirm the winner: in runs of the tests, and seconds besides."""


@frozen
class Full:
    """The policy with its parts, each of which can be switched off for a comparison.

    Attributes:
        alone: the greedy candidate is sampled alone, since it solves most of what is easy; its siblings begin when it
            goes to the tests, or has so many tokens: what is longer seldom passes, and may never end.
        plain: as a share of the limit, samples of the usual prompt before anything but a mendable failure is tried.
        window: if of the last so many samples all but one repeat others, sampling alone brings nothing new.
        repairs, mend, variants: whether there are repairs; whether mendable failures go first; other prompts.
        small: a model of fewer parameters gets neither, but for a body that is there already: it repeats what it is to
            mend, and answers no other prompt better (0.5B: of 302 such candidates 4 passed, of as late samples 3 %).
        terse: candidates have no comments, which are a third of their tokens, and no test asks for.
        distinct: none that the model has given before.
        strength: how much a parent's share of passed tests counts, in tries (REx calls it C).
        passers: after a pass, so many are wanted for a choice, if tests are few; one that is repeated counts again.
        few: a judge of more tests than this needs no choice; one of half as many wants all `passers`.
        likely: one that the model gives with this probability needs no other beside it.
        patience: for these the search may last longer, as a share of the time to the first pass, which its siblings
            need, too; least and most in seconds.  Where all that pass seem to be fitted to the tests, it is the most.
        ending: the share of limit or time that is kept for the larger model, where there is one.
        compared: see `Policy`.
    """

    alone: int = 96
    plain: float = 0.5
    window: int = 4
    repairs: bool = True
    mend: bool = True
    variants: bool = True
    small: float = 1e9
    terse: bool = True
    distinct: bool = True
    strength: float = 10.0
    passers: int = 3
    few: int = FEW
    likely: float = LIKELY
    patience: float = 0.5
    patience_least: float = 2.0
    patience_most: float = 15.0
    ending: float = 0.3
    compared: int = COMPARED

    # -- after a pass

    def settled(self, state: State) -> Step:
        """Wait for siblings, or start a few more, until there are passers enough or patience is at its end."""
        believed = [a for a in state.passed if not a.suspected]
        if not believed:
            return self._past_suspects(state)
        if any(is_likely(a, self.likely) for a in believed):
            return Step(over=True)
        first = min(a.ended for a in believed)
        patience = min(self.patience_most, max(self.patience_least, self.patience * first))
        wanted = self._passers_wanted(state)
        found = _votes(state, believed)
        # A repetition needs no test, and would be ahead of a different one that is in its tests.
        agreed = found >= wanted and not any(a.status == "testing" for a in state.attempts)
        if agreed or len(believed) >= wanted or state.seconds - first >= patience or _is_late(state):
            return Step(over=True)
        if self._saturated(state) and not state.running:
            return Step(over=True)
        missing = wanted - found - state.running
        return Step(self._in_its_manner((Sample(state.temperature),) * max(0, missing)))

    def _past_suspects(self, state: State) -> Step:
        """Search on as if nothing had passed, for a while.  Where several seem to be fitted to the tests, what these
        ask for may well look so.
        """
        since = state.seconds - min(a.suspected_at for a in state.passed if a.suspected_at is not None)
        if len(state.passed) >= self.passers or since >= self.patience_most or _is_late(state):
            return Step(over=True)
        return Step(self.wanted(state))

    def _passers_wanted(self, state: State) -> int:
        tests = len(state.passed[0].vector)
        if tests > self.few:
            return 1
        return self.passers if tests <= self.few / 2 else min(self.passers, 2)

    # -- before

    def wanted(self, state: State) -> tuple[Decision, ...]:
        return self._in_its_manner(self._wanted(state))

    def _in_its_manner(self, decisions: Sequence[Decision]) -> tuple[Decision, ...]:
        return tuple(evolve(decision, terse=self.terse, distinct=self.distinct) for decision in decisions)

    def _wanted(self, state: State) -> Sequence[Decision]:
        if not state.sampled:
            return self._first(state)
        if any(a.status == "sampling" and a.tokens < self.alone for a in state.sampled if _is_first(a)):
            return ()
        chosen: list[Decision] = []
        while len(chosen) < state.room:
            decision = self._next(state, chosen)
            if decision is None:
                break
            chosen.append(decision)
        return chosen

    def _first(self, state: State) -> tuple[Decision, ...]:
        own = [a for a in state.attempts if a.decision is None and a.status == "failed"]
        mended: tuple[Decision, ...] = (Repair(own[0].number, 0.0),) if own and self.repairs else ()
        more = 0 if self.alone else state.room
        return (*mended, Sample(0.0), *(Sample(state.temperature),) * more)[: state.room]

    def _next(self, state: State, chosen: list[Decision]) -> Decision | None:
        """One more, with `chosen` started already; None to wait for what runs."""
        if self._is_ending(state, chosen):
            return self._of_larger(state, chosen)
        if self.repairs and self.mend:
            broken = next((a for a in self._parents(state, chosen) if a.failed_fast and _tries(state, a) == 0), None)
            if broken is not None:
                return Repair(broken.number, state.temperature)
        plain = sum(_is_plain(a.decision) for a in state.sampled) + sum(map(_is_plain, chosen))
        saturated = self._saturated(state)
        if not saturated and plain < max(2, self.plain * state.limit):
            return Sample(state.temperature)
        return self._promising(state, chosen, saturated)

    def _promising(self, state: State, chosen: list[Decision], saturated: bool) -> Decision:
        """Thompson sampling: draw from what is believed of each arm, and take the best draw for its cost."""
        chance = random.Random(f"{state.seed} {len(state.attempts)} {len(chosen)} {state.running}")  # noqa: S311 - a draw
        arms = list(self._arms(state, chosen, saturated))
        draws = [(chance.betavariate(good, bad) / _cost(decision), decision) for decision, good, bad in arms]
        return max(draws, key=lambda draw: draw[0])[1]

    def _arms(self, state: State, chosen: list[Decision], saturated: bool) -> Iterator[tuple[Decision, float, float]]:
        """Each thing that can be done, with what speaks for it and against it (of a beta distribution)."""
        heat = min(_HOTTEST, state.temperature + 0.3) if saturated else state.temperature
        yield Sample(heat), *self._record(state, chosen, "plain")
        if self.variants and not self._is_small(state) and _plain_failures(state) >= _PLAIN_FIRST:
            for variant in VARIANTS:
                yield Sample(state.temperature, variant), *self._record(state, chosen, variant)
        if self.repairs:
            for parent in self._parents(state, chosen):
                good, bad = 1 + self.strength * parent.score, 1 + self.strength * (1 - parent.score)
                yield Repair(parent.number, state.temperature), good, bad + _tries(state, parent)

    def _record(self, state: State, chosen: list[Decision], variant: str) -> tuple[float, float]:
        """What samples of a prompt have brought: the tests each new one passes; nothing, for one that is refused."""
        good = bad = 1.0
        for attempt in state.sampled:
            if isinstance(attempt.decision, Sample) and attempt.decision.variant == variant:
                worth = attempt.score if attempt.status == "failed" else 0.0
                good, bad = good + worth, bad + (0.5 if attempt.running else 1 - worth)
        return good, bad + sum(isinstance(d, Sample) and d.variant == variant for d in chosen)

    def _parents(self, state: State, chosen: list[Decision], *, larger: bool = False) -> list[Attempt]:
        """Failed candidates worth a repair: one for each set of passed tests, the least often tried; mendable failures
        first, then those that pass most.
        """
        if not _repairs_pay(state, larger=larger):
            return []
        mended = {a.parent for a in state.attempts if a.running} | {d.parent for d in chosen if isinstance(d, Repair)}
        busy = {a.vector for a in state.attempts if a.number in mended}
        niches: dict[tuple[bool, ...], Attempt] = {}
        own_alone = self._is_small(state) and not larger
        for attempt in state.attempts:
            if own_alone and attempt.decision is not None:
                continue
            if attempt.status != "failed" or attempt.vector in busy or _futile(state, attempt) >= _FUTILE:
                continue
            rival = niches.get(attempt.vector)
            if rival is None or self._rank(state, attempt) < self._rank(state, rival):
                niches[attempt.vector] = attempt
        base = sum(state.base)
        return sorted(niches.values(), key=lambda a: (not a.failed_fast, a.tests_passed <= base, -a.score, a.number))

    def _is_small(self, state: State) -> bool:
        return 0 < state.parameters < self.small

    @staticmethod
    def _rank(state: State, attempt: Attempt) -> tuple[bool, int, int]:
        return not attempt.failed_fast, _tries(state, attempt), attempt.number

    def _saturated(self, state: State) -> bool:
        """Whether samples of the usual prompt have ceased to differ."""
        ended = [a for a in state.sampled if _is_plain(a.decision) and not a.running][-self.window :]
        return len(ended) >= self.window and sum(a.same_as is not None for a in ended) >= self.window - 1

    # -- the larger model

    def _is_ending(self, state: State, chosen: list[Decision]) -> bool:
        if not state.larger:
            return False
        count = len(state.sampled) + len(chosen)
        late = state.budget_seconds and state.seconds >= (1 - self.ending) * state.budget_seconds
        return bool(late) or count >= state.limit - max(1, round(self.ending * state.limit))

    def _of_larger(self, state: State, chosen: list[Decision]) -> Decision | None:
        """Its greedy candidate, then in turn a repair of what came nearest and a sample; each comes alone, since it
        is slow.
        """
        begun = [a for a in state.sampled if a.decision and a.decision.larger]
        if chosen or state.running:
            return None
        if not begun:
            return Sample(0.0, larger=True)
        parents = self._parents(state, chosen, larger=True) if self.repairs else []
        best = max(parents, key=lambda a: (a.score, -a.number), default=None)
        if best is not None and len(begun) % 2:
            return Repair(best.number, state.temperature, larger=True)
        return Sample(state.temperature, larger=True)

    # -- tests

    def wants_vector(self, state: State) -> bool:
        """Vectors choose the parents.  Once there are a few, they are taken only where tests cost little."""
        if not self.repairs:
            return not any(attempt.vector for attempt in state.sampled)
        known = [a for a in state.sampled if a.vector and a.whole]
        tested = [a for a in state.sampled if a.vector]
        if len(known) < _VECTORS or not tested:
            return True
        return state.test_seconds <= _CHEAP_TESTS * sum(a.seconds for a in tested) / len(tested)


def _is_late(state: State) -> bool:
    """Whether a winner would not be confirmed within the time that is left, if it were waited any longer."""
    ahead = _CONFIRMATION_LEAST + _CONFIRMATION * state.test_seconds
    return bool(state.budget_seconds) and state.seconds + ahead >= state.budget_seconds


def _is_first(attempt: Attempt) -> bool:
    return isinstance(attempt.decision, Sample) and attempt.decision.temperature == 0 and not attempt.decision.larger


def _is_plain(decision: Decision | None) -> bool:
    return isinstance(decision, Sample) and decision.variant == "plain" and not decision.larger


def _votes(state: State, passed: Sequence[Attempt]) -> int:
    """Passers, and what repeats them: what a model says again and again needs no further one to be believed."""
    numbers = {a.number for a in passed}
    return len(numbers) + sum(a.same_as in numbers for a in state.attempts)


def _plain_failures(state: State) -> int:
    return sum(_is_plain(a.decision) and a.status in {"failed", "refused"} for a in state.sampled)


def _tries(state: State, parent: Attempt) -> int:
    return sum(a.parent == parent.number for a in state.attempts)


def _futile(state: State, parent: Attempt) -> int:
    """Repairs of the parent that ended without anything new."""
    return sum(a.parent == parent.number and _is_futile(a, parent) for a in state.attempts)


def _is_futile(repair: Attempt, parent: Attempt) -> bool:
    return not repair.running and (repair.status == "refused" or repair.vector == parent.vector)


def _repairs_pay(state: State, *, larger: bool) -> bool:
    """False once a model's repairs have brought nothing new several times, and never: small ones repeat their text."""
    parents = {attempt.number: attempt for attempt in state.attempts}
    ended = [
        (a, parents[a.decision.parent])
        for a in state.sampled
        if isinstance(a.decision, Repair)
        and a.decision.larger == larger
        and a.status in {"refused", "failed", "passed"}
    ]
    return len(ended) < _FUTILE_REPAIRS or not all(_is_futile(repair, parent) for repair, parent in ended)


def _cost(decision: Decision) -> float:
    return _REPAIR_COST if isinstance(decision, Repair) else _COST[decision.variant]
