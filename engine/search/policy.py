"""The strategies, as functions from what is known to what to start next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from attrs import frozen

Status = Literal["sampling", "testing", "refused", "failed", "passed"]


@frozen
class Attempt:
    """One candidate as the policy sees it.

    Attributes:
        number: from 1, in the order of their start.
        tests_passed, tests_total: 0 of 0 before its verdict.
        failed_fast: it failed by a name, import, type or syntax error, which a repair mends most often.
        parent: the candidate it repairs.
    """

    number: int
    status: Status
    tests_passed: int = 0
    tests_total: int = 0
    failed_fast: bool = False
    parent: int | None = None

    @property
    def score(self) -> float:
        """Share of the judge's tests passed."""
        return self.tests_passed / self.tests_total if self.tests_total else 0.0


@frozen
class State:
    """What is known.

    Attributes:
        attempts: all candidates so far, by number.
        limit: at most so many candidates may be started.
        width: at most so many are sampled at once.
        temperature: of sampled candidates, as the user set it.
    """

    attempts: tuple[Attempt, ...]
    limit: int
    width: int
    temperature: float

    @property
    def sampling(self) -> int:
        return sum(a.status == "sampling" for a in self.attempts)

    @property
    def running(self) -> int:
        return sum(a.status in {"sampling", "testing"} for a in self.attempts)

    @property
    def room(self) -> int:
        """How many candidates may be started now."""
        return max(0, min(self.limit - len(self.attempts), self.width - self.sampling))


@frozen
class Sample:
    """Sample a new candidate; with `plan`, let the model plan in words first."""

    temperature: float
    plan: bool = False


@frozen
class Repair:
    """Sample a candidate that mends `parent`, shown its failure."""

    parent: int
    temperature: float


Decision = Sample | Repair
Strategy = Callable[[State], tuple[Decision, ...]]


def decide(strategy: str, state: State) -> tuple[Decision, ...]:
    """What to start now.  Nothing, with nothing running, means that the search is over.

    A pass ends every search: nothing more is started.
    """
    if any(a.status == "passed" for a in state.attempts):
        return ()
    return STRATEGIES[strategy](state)


def _greedy(state: State) -> tuple[Decision, ...]:
    return () if state.attempts else (Sample(0.0),)


def _best_of_n(state: State) -> tuple[Decision, ...]:
    """The greedy candidate and samples, all from the start."""
    first: tuple[Decision, ...] = () if state.attempts else (Sample(0.0),)
    return (first + (Sample(state.temperature),) * state.room)[: state.room]


def _plan_and_repair(state: State) -> tuple[Decision, ...]:
    """The published pipeline's shape (ATLAS): three planned candidates, then repair of the best, one at a time."""
    if len(state.attempts) < 3:
        return (Sample(state.temperature, plan=True),) * min(3 - len(state.attempts), state.room)
    if state.running:
        return ()
    return _repairs(state, 1) or (Sample(state.temperature, plan=True),) * min(1, state.room)


def _full(state: State) -> tuple[Decision, ...]:
    """Greedy first and alone, verdict included, since it solves most of what is easy at the least cost.  Then samples;
    once half of the candidates are spent, repairs of the most promising (each parent once), and samples again.
    """
    if not state.attempts:
        return (Sample(0.0),)
    if state.attempts[0].status in {"sampling", "testing"}:
        return ()
    samples = sum(a.parent is None for a in state.attempts)
    wanted = min(state.room, max(0, (state.limit + 1) // 2 - samples))
    if wanted or state.running:
        return (Sample(state.temperature),) * wanted
    repairs = _repairs(state, max(1, state.room // 2))
    return repairs + (Sample(state.temperature),) * (state.room - len(repairs))


def _repairs(state: State, count: int) -> tuple[Decision, ...]:
    """Repairs of the candidates nearest to a pass that were not repaired yet."""
    parents = {a.parent for a in state.attempts}
    open_ = [a for a in state.attempts if a.status == "failed" and a.number not in parents]
    open_.sort(key=lambda a: (not a.failed_fast, -a.score, a.number))
    return tuple(Repair(a.number, state.temperature) for a in open_[: min(count, state.room)])


STRATEGIES: dict[str, Strategy] = {
    "greedy": _greedy,
    "best-of-n": _best_of_n,
    "plan+repair": _plan_and_repair,
    "full": _full,
}
