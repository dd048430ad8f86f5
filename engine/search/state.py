"""What the policy knows, and what it can decide."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from attrs import field, frozen

Status = Literal["sampling", "testing", "refused", "failed", "passed", "dropped"]
"""`dropped`: ended from outside, since nothing depended on it any more."""
Variant = Literal["plain", "plan", "bare", "steps"]
"""How the model is asked: as usual; for a plan first; without the surroundings; for small steps."""

VARIANTS: tuple[Variant, ...] = ("plan", "bare", "steps")

WIDTH, WIDEST = 4, 16


def width_after(failed: int) -> int:
    """How many candidates to sample at once when so many have failed.

    Side by side they cost less, but each comes later.  At first the next one may well pass; later there are many to go.
    """
    return max(WIDTH, min(WIDEST, failed // WIDTH * WIDTH))


@frozen
class Sample:
    """Sample a new candidate.

    Attributes:
        larger: of the larger model.
        terse: without comments.
        distinct: none that the same model gave to the same question before.
        tokens: at most so many are sampled for it.
    """

    temperature: float
    variant: Variant = "plain"
    larger: bool = False
    terse: bool = False
    distinct: bool = False
    tokens: int = 512


@frozen
class Repair:
    """Sample a candidate that mends `parent`, shown its failure."""

    parent: int
    temperature: float
    larger: bool = False
    terse: bool = False
    distinct: bool = False
    tokens: int = 512


Decision = Sample | Repair


@frozen
class Attempt:
    """One candidate as the policy sees it.

    Attributes:
        number: from 1, in the order of their start.
        decision: what it was started for; None: the target's own body, as the user wrote it.
        vector: which of the judge's tests it passes; empty before its verdict.
        whole: its vector is known to the end; it was not abandoned at its first failure.
        failed_fast: it failed by a name, import, type or syntax error, which a repair mends most often.
        same_as: an earlier candidate that it only repeats (it is refused, then).
        tokens: sampled for it so far.
        logprob: natural logarithm of the probability that its model gives it, if that is known.
        suspected_at: when it was found, if it was, that it passes and seems to be fitted to the tests' own inputs, in
            seconds of the run.
        seconds: from its start to its verdict.
        ended: when that was, in seconds of the run.
    """

    number: int
    status: Status
    decision: Decision | None = None
    vector: tuple[bool, ...] = ()
    whole: bool = True
    failed_fast: bool = False
    same_as: int | None = None
    tokens: int = 0
    logprob: float | None = None
    suspected_at: float | None = None
    seconds: float = 0.0
    ended: float = 0.0

    @property
    def suspected(self) -> bool:
        return self.suspected_at is not None

    @property
    def parent(self) -> int | None:
        return self.decision.parent if isinstance(self.decision, Repair) else None

    @property
    def running(self) -> bool:
        return self.status in {"sampling", "testing"}

    @property
    def tests_passed(self) -> int:
        return sum(self.vector)

    @property
    def tests_total(self) -> int:
        return len(self.vector)

    @property
    def score(self) -> float:
        """Share of the judge's tests passed."""
        return sum(self.vector) / len(self.vector) if self.vector else 0.0


@frozen(slots=False)
class State:
    """What is known.

    Attributes:
        attempts: all candidates so far, by number.
        limit: at most so many candidates may be sampled.
        width: at most so many are sampled at once.
        backlog: at most so many are on their way, those that wait for their tests included; 0: no bound.  A model that
            is quicker than the tests would else have sampled all candidates before the first verdict.
        temperature: of sampled candidates, as the user set it.
        tokens_each: what one candidate may cost at most.
        seconds, watt_hours: spent so far; the budgets are what may be spent, 0 for no bound.
        test_seconds: what one run of the tests takes.
        base: which tests the text as it was passes.
        larger: whether a larger model is there for the end.
        parameters: of the model; 0 if that is not known.
        seed: for what is left to chance.
    """

    attempts: tuple[Attempt, ...]
    limit: int
    width: int
    temperature: float
    backlog: int = 0
    tokens_each: int = 512
    seconds: float = 0.0
    budget_seconds: float = 0.0
    budget_tokens: int = 0
    watt_hours: float = 0.0
    budget_wh: float = 0.0
    test_seconds: float = 0.0
    base: tuple[bool, ...] = ()
    larger: bool = False
    parameters: int = 0
    seed: int = 0

    @cached_property
    def sampled(self) -> tuple[Attempt, ...]:
        """All but the target's own body."""
        return tuple(a for a in self.attempts if a.decision is not None)

    @property
    def sampling(self) -> int:
        return sum(a.status == "sampling" for a in self.attempts)

    @property
    def running(self) -> int:
        return sum(a.running for a in self.attempts)

    @cached_property
    def passed(self) -> tuple[Attempt, ...]:
        return tuple(a for a in self.attempts if a.status == "passed")

    @property
    def room(self) -> int:
        """How many candidates may be started now."""
        ahead = self.backlog - self.running if self.backlog else self.width
        return max(0, min(self.limit - len(self.sampled), self.width - self.sampling, ahead))

    @property
    def committed(self) -> int:
        """Tokens spent, and those that what is running may still spend."""
        return sum(a.decision.tokens if a.status == "sampling" and a.decision else a.tokens for a in self.attempts)

    @property
    def spent(self) -> bool:
        """Whether a budget is used up."""
        return (
            bool(self.budget_seconds and self.seconds >= self.budget_seconds)
            or bool(self.budget_tokens and sum(a.tokens for a in self.attempts) >= self.budget_tokens)
            or bool(self.budget_wh and self.watt_hours >= self.budget_wh)
        )


@frozen
class Step:
    """What to do now.

    Attributes:
        start: candidates to start.
        over: the search is over; what still runs is not worth waiting for.
    """

    start: tuple[Decision, ...] = field(default=())
    over: bool = False
