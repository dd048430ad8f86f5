"""Samples of one prompt of which none repeats another: drawing without replacement.

A small model that is sure of a wrong answer gives it again and again, and every time it costs as much as a new one.
Here all samples of a prompt grow one tree of tokens.  It remembers at each place what was likely to follow, and how
much of that has been drawn to the end; a draw goes by what is left.  So samples come in the same proportions as ever,
only that none comes twice (UniqueRandomizer: Shi, Bieber and Sutton, arXiv 2002.09067).  What the tree knows need not
be computed again, either: a new sample begins where it leaves what the tree has seen.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy
from attrs import define, evolve, field, frozen
from numpy.typing import NDArray

from engine.host.backend import Sampler, Sampling
from engine.host.likeliest import likeliest

MOST_TREES = 32
_AS_IT_IS = Sampling(temperature=1.0, top_p=1.0, min_p=0.0, seed=0)


@frozen
class Distinct:
    """Which samples are not to repeat each other.

    Attributes:
        key: what they have in common, besides their prompt.
        number: of this one.
        ended: earlier ones that came to their end, by number, and after how many tokens; those that were cut off for
            another reason may come again.
    """

    key: str
    number: int
    ended: Mapping[int, int]


@define(eq=False)
class Place:
    """A place in the tree.

    Attributes:
        ids, logits: the likeliest tokens to follow, the likeliest first; empty until something is drawn here.
        after: the place that each token led to.
        left: by the way of sampling, the share of what can follow that has not been drawn to its end; 1 if not there.
        ended: a sample ended here.
    """

    ids: NDArray[numpy.intp] = field(factory=lambda: numpy.empty(0, numpy.intp))
    logits: NDArray[numpy.float64] = field(factory=lambda: numpy.empty(0))
    after: dict[int, Place] = field(factory=dict)
    left: dict[Sampling, float] = field(factory=dict)
    ended: bool = False

    def learn(self, logits: NDArray[numpy.float32]) -> None:
        """What is likely to follow, from the logits of the vocabulary."""
        if not len(self.ids):
            ids = likeliest(logits, Sampler.TOP_K)
            order = numpy.argsort(-logits[ids], kind="stable")
            self.ids, self.logits = ids[order], logits[ids[order]].astype(numpy.float64)

    def logprob(self, token: int) -> float:
        """The natural logarithm of the model's own probability of a token, among the likeliest."""
        return float(numpy.log(self.shares(_AS_IT_IS)[self.ids == token][0]))

    def shares(self, way: Sampling) -> NDArray[numpy.float64]:
        """Probabilities of `ids`: cut off by top-p and by min-p, then by temperature, as llama.cpp has them."""
        weights = numpy.exp(self.logits - self.logits[0])
        before = numpy.cumsum(weights) - weights
        kept = (before < way.top_p * weights.sum()) & (weights >= way.min_p)
        kept[0] = True
        shares: NDArray[numpy.float64] = numpy.where(kept, weights ** (1 / way.temperature), 0.0)
        shares /= shares.sum()
        return shares

    def left_of(self, shares: NDArray[numpy.float64], way: Sampling) -> NDArray[numpy.float64]:
        """Of `shares`, what has not been drawn to its end."""
        left = shares.copy()
        for index, token in enumerate(self.ids.tolist() if self.after else ()):
            if (after := self.after.get(token)) is not None:
                left[index] *= 0.0 if after.ended else after.left.get(way, 1.0)
        return left


class Tree:
    """All samples of one prompt."""

    def __init__(self) -> None:
        self._root = Place()
        self._paths: dict[int, list[Place]] = {}
        self._ended: list[Sequence[Place]] = []
        self._ways: set[Sampling] = set()

    def begin(self, number: int) -> list[Place]:
        """Where sample `number` begins; the places that it comes to are to be appended."""
        path = self._paths[number] = [self._root]
        return path

    def end(self, ended: Mapping[int, int]) -> None:
        """Samples came to their end; see `Distinct.ended`.  Telling it twice changes nothing."""
        for number, tokens in ended.items():
            path = self._paths.get(number, [])
            if 0 < tokens < len(path) and not path[tokens].ended:
                path[tokens].ended = True
                self._ended.append(path[:tokens])
                for way in self._ways:
                    _count(path[:tokens], way)

    def draw(self, place: Place, sampling: Sampling, chance: random.Random) -> int:
        """A token to follow, once the place has learned what can."""
        if sampling.temperature <= 0:
            return int(place.ids[0])
        way = evolve(sampling, seed=0)
        if way not in self._ways:
            self._ways.add(way)
            for path in self._ended:
                _count(path, way)
        shares = place.shares(way)
        left = place.left_of(shares, way)
        if not left.any():  # all that is not cut off has been drawn: the rest is next, and then all again
            left = place.left_of(place.shares(evolve(way, top_p=1.0, min_p=0.0)), way)
        upto = numpy.cumsum(left if left.any() else shares)
        index = numpy.searchsorted(upto, chance.random() * upto[-1], side="right")
        return int(place.ids[min(int(index), len(upto) - 1)])


def _count(path: Sequence[Place], way: Sampling) -> None:
    """What is left at each place of a path, whose end has changed."""
    for place in reversed(path):
        place.left[way] = float(place.left_of(place.shares(way), way).sum())


class DistinctSampler:
    """Draws the tokens of one sample, as `backend.Sampler` does, from what its tree has left.

    Attributes:
        logprob: of all that was drawn, the natural logarithm of the model's own probability.
    """

    def __init__(self, tree: Tree, distinct: Distinct, sampling: Sampling) -> None:
        tree.end(distinct.ended)
        self._tree = tree
        self._path = tree.begin(distinct.number)
        self._sampling = sampling
        self._chance = random.Random(sampling.seed)  # noqa: S311 - a draw
        self.logprob = 0.0

    def sample(self, logits: NDArray[numpy.float32]) -> int:
        """Draw a token by the logits of the vocabulary."""
        place = self._path[-1]
        place.learn(logits)
        token = self._tree.draw(place, self._sampling, self._chance)
        self.logprob += place.logprob(token)
        self._path.append(place.after.setdefault(token, Place()))
        return token

    def free(self) -> None:
        """Nothing is held."""


class Trees:
    """The trees of late, each of one key and prompt."""

    def __init__(self) -> None:
        self._trees: OrderedDict[tuple[str, tuple[int, ...]], Tree] = OrderedDict()

    def sampler(self, distinct: Distinct, prompt: Sequence[int], sampling: Sampling) -> DistinctSampler:
        """For one more sample of `prompt`."""
        place = distinct.key, tuple(prompt)
        tree = self._trees.setdefault(place, Tree())
        self._trees.move_to_end(place)
        while len(self._trees) > MOST_TREES:
            self._trees.popitem(last=False)
        return DistinctSampler(tree, distinct, sampling)
