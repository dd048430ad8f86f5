"""Which of several passers to take, and what they leave open.  Pure.

The tests cannot tell them apart; what they do on other inputs can.  The larger group of equal behaviour is likelier to
be right, since wrong ones are wrong in many ways; a text that was sampled several times counts as often.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from attrs import field, frozen

from engine.search.state import Attempt

FEW = 10
"""A judge that asks more than this tells right from wrong by itself."""
LIKELY = 0.01
"""What a model gives with this probability stands in no need of another that agrees."""


@frozen
class Passer:
    """A candidate that passed.

    Attributes:
        weight: how often it was sampled; size: of its text; seconds: of CPU that the tests took with it.
    """

    number: int
    weight: int = 1
    size: int = 0
    seconds: float = 0.0


@frozen
class Choice:
    """What came of it.

    Attributes:
        order: the passers, the best first.
        groups: of equal behaviour, by passer; numbered from 1 in their order.
    """

    order: tuple[int, ...]
    groups: Mapping[int, int] = field(factory=dict)


def choose(passers: Sequence[Passer], outcomes: Mapping[int, Sequence[str]]) -> Choice:
    """Order the passers.

    Args:
        outcomes: what each answered to each input; those that are not in it are groups of their own.
    """
    signature = {p.number: tuple(outcomes.get(p.number, (f"unknown {p.number}",))) for p in passers}
    weight: Counter[tuple[str, ...]] = Counter()
    for passer in passers:
        weight[signature[passer.number]] += passer.weight
    total = sum(passer.weight for passer in passers)
    agreement = {p.number: _agreement(p, passers, outcomes, total) for p in passers}

    def rank(passer: Passer) -> tuple[float, ...]:
        own = signature[passer.number]
        return (-weight[own], -agreement[passer.number], -passer.weight, passer.size, round(passer.seconds, 1),
                passer.number)  # fmt: skip

    order = sorted(passers, key=rank)
    numbers: dict[tuple[str, ...], int] = {}
    for passer in order:
        numbers.setdefault(signature[passer.number], len(numbers) + 1)
    groups = {passer.number: numbers[signature[passer.number]] for passer in order}
    return Choice(tuple(passer.number for passer in order), groups)


def distinguishing(winner: int, outcomes: Mapping[int, Sequence[str]], sizes: Sequence[int | None]) -> int | None:
    """The smallest input on which the winner and another passer differ, as its index; None if there is none.

    Args:
        outcomes: as for `choose`.
        sizes: of the inputs; None for those that cannot be shown to a person.
    """
    own = outcomes.get(winner)
    if own is None:
        return None
    differing = [
        (size, index)
        for index, size in enumerate(sizes)
        if size is not None and any(told[index] != own[index] for told in outcomes.values())
    ]
    return min(differing, default=(0, None))[1]


def stands_alone(winner: Attempt, attempts: Sequence[Attempt], groups: Mapping[int, int], asked: int) -> bool:
    """Whether nothing but few tests speaks for a winner that its model found unlikely: no other candidate does the
    same, and none repeats it.  Where its probability is not known, that is not said: alone it tells too little.

    Args:
        asked: how many tests it passes, or calls of theirs it answers.
        groups: of equal behaviour, by passer, as `Choice` has them; a passer that is not in it may agree.
    """
    if asked > FEW or winner.logprob is None or is_likely(winner, LIKELY):
        return False
    own = groups.get(winner.number)
    agreeing = {winner.number}
    for other in attempts:
        if other.status == "passed" and (own is None or groups.get(other.number, own) == own):
            agreeing.add(other.number)
    return len(agreeing) == 1 and not any(other.same_as in agreeing for other in attempts)


def is_likely(attempt: Attempt, least: float) -> bool:
    """Whether its model gives it at least this probability, as far as that is known."""
    return attempt.logprob is not None and math.exp(attempt.logprob) >= least


def _agreement(passer: Passer, passers: Sequence[Passer], outcomes: Mapping[int, Sequence[str]], total: int) -> float:
    """The mean share, by weight, of passers that answer as this one does, over the inputs: groups that split on a few
    odd inputs still support each other.
    """
    own = outcomes.get(passer.number)
    if not own:
        return passer.weight / total
    shares = 0
    for index, answer in enumerate(own):
        shares += sum(p.weight for p in passers if p.number in outcomes and outcomes[p.number][index] == answer)
    return shares / total / len(own)
