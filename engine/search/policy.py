"""The strategies: from what is known to what to start next.

`full` is in `engine.search.full`; here are those it is measured against, and what holds for all of them: budgets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import evolve, frozen

from engine.search.full import COMPARED, Full
from engine.search.state import VARIANTS, Attempt, Decision, Repair, Sample, State, Step

LEAST_TOKENS = 16
"""Fewer than these make no function; a candidate for which only so few are left is not started."""


class Policy(Protocol):
    """Decides a search.  Equal states give equal decisions.

    Attributes:
        compared: so many of those that pass are compared by what they do, at most.
    """

    @property
    def compared(self) -> int: ...

    def wanted(self, state: State) -> tuple[Decision, ...]:
        """What to start, as long as nothing has passed; at most `state.room`."""

    def settled(self, state: State) -> Step:
        """What to do once something has passed."""

    def wants_vector(self, state: State) -> bool:
        """Whether a candidate is worth all of its tests, although one has failed already."""


def decide(policy: Policy, state: State) -> Step:
    """What to do now, within all budgets.  No step to take, with nothing running, means that the search is over."""
    if state.spent:
        return Step(over=True)
    step = policy.settled(state) if state.passed else Step(policy.wanted(state))
    start = () if step.over else _affordable(state, step.start[: state.room])
    return Step(start, step.over or not (start or state.running))


def _affordable(state: State, wanted: tuple[Decision, ...]) -> tuple[Decision, ...]:
    """As many as can be paid for even if each costs as much as it may; the last of them perhaps a shorter one."""
    left = state.budget_tokens - state.committed if state.budget_tokens else None
    start: list[Decision] = []
    for decision in wanted:
        tokens = state.tokens_each if left is None else min(state.tokens_each, left)
        if tokens < min(LEAST_TOKENS, state.tokens_each):
            break
        start.append(evolve(decision, tokens=tokens))
        left = None if left is None else left - tokens
    return tuple(start)


@frozen
class Simple:
    """A strategy that ends at the first pass."""

    next: Callable[[State], tuple[Decision, ...]]
    repairs: bool = False
    compared: int = COMPARED

    def wanted(self, state: State) -> tuple[Decision, ...]:
        return self.next(state)

    def settled(self, state: State) -> Step:
        return Step(over=True)

    def wants_vector(self, state: State) -> bool:
        return self.repairs or not any(attempt.vector for attempt in state.sampled)


def _greedy(state: State) -> tuple[Decision, ...]:
    return () if state.sampled else (Sample(0.0),)


def _best_of_n(state: State) -> tuple[Decision, ...]:
    """The greedy candidate and samples, all from the start."""
    first: tuple[Decision, ...] = () if state.sampled else (Sample(0.0),)
    return (first + (Sample(state.temperature),) * state.room)[: state.room]


def _plan_and_repair(state: State) -> tuple[Decision, ...]:
    """The published pipeline's shape (ATLAS): three planned candidates, then repair of the best, one at a time."""
    if len(state.sampled) < 3:
        return (Sample(state.temperature, "plan"),) * min(3 - len(state.sampled), state.room)
    if state.running:
        return ()
    parents = {a.parent for a in state.attempts}
    open_ = [a for a in state.attempts if a.status == "failed" and a.number not in parents]
    best = max(open_, key=lambda a: (a.score, -a.number), default=None)
    return (Repair(best.number, state.temperature) if best else Sample(state.temperature, "plan"),)


@frozen
class Everything:
    """Goes on after a pass, so as to record what each kind of candidate is worth: not for use, but for `bench`.

    Attributes:
        plain: samples besides the greedy candidate; variants: samples of each variant of the prompt.
        parents: so many of the most different failed candidates are repaired; repairs: of each.
        terse, distinct: see `Sample`.
    """

    plain: int = 12
    variants: int = 2
    parents: int = 3
    repairs: int = 2
    terse: bool = True
    distinct: bool = True
    compared: int = 1000

    def wanted(self, state: State) -> tuple[Decision, ...]:
        return tuple(evolve(decision, terse=self.terse, distinct=self.distinct) for decision in self._wanted(state))

    def _wanted(self, state: State) -> tuple[Decision, ...]:
        all_ = [Sample(0.0), *[Sample(state.temperature)] * self.plain]
        all_ += [Sample(state.temperature, variant) for variant in VARIANTS for _ in range(self.variants)]
        started = len(state.sampled)
        if started == 0:
            return (all_[0],)  # alone, so that its time is its own
        if started == 1 and state.running:
            return ()
        if started < len(all_):
            return tuple(all_[started : started + state.room])
        if state.running:
            return ()
        first: dict[tuple[bool, ...], Attempt] = {}
        for attempt in state.attempts:
            if attempt.status == "failed" and attempt.parent is None:
                first.setdefault(attempt.vector, attempt)
        chosen = sorted(first.values(), key=lambda a: (not a.failed_fast, -a.score, a.number))[: self.parents]
        done = [a.parent for a in state.attempts if a.parent is not None]
        todo = [Repair(a.number, state.temperature) for a in chosen for _ in range(self.repairs)]
        return tuple(todo[len(done) : len(done) + state.room])

    def settled(self, state: State) -> Step:
        return Step(self.wanted(state))

    def wants_vector(self, state: State) -> bool:
        return True


POLICIES: dict[str, Policy] = {
    "greedy": Simple(_greedy),
    "best-of-n": Simple(_best_of_n),
    "plan+repair": Simple(_plan_and_repair, repairs=True),
    "full": Full(),
}
