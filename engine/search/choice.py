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
        question: the smallest input on which the best group and another one differ, as its index; None if there is
            none.
    """

    order: tuple[int, ...]
    groups: Mapping[int, int] = field(factory=dict)
    question: int | None = None


def choose(
    passers: Sequence[Passer], outcomes: Mapping[int, Sequence[str]], sizes: Sequence[int], *,
    tellable: Sequence[bool] = (),
) -> Choice:  # fmt: skip
    """Order the passers.

    Args:
        outcomes: what each answered to each input; those that are not in it are groups of their own.
        sizes: of the inputs.
        tellable: which inputs can be shown to a person; all, if it is empty.
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
    best = outcomes.get(order[0].number)
    question = None
    if best is not None:
        differing = [
            index
            for index, size in enumerate(sizes)
            if (not tellable or tellable[index]) and any(told[index] != best[index] for told in outcomes.values())
        ]
        question = min(differing, key=lambda index: (sizes[index], index), default=None)
    return Choice(tuple(passer.number for passer in order), groups, question)


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
