"""Intervals for what a bench finds: bootstrap over problems, since runs of one problem are not independent."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

from attrs import frozen

_TIMES = 2000
_SEED = 20_24


@frozen
class Interval:
    """A mean and the interval that holds it in 95 of 100 resamples."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.1%} [{self.low:.1%}, {self.high:.1%}]"


def by_problem(values: Sequence[tuple[str, float]]) -> dict[str, float]:
    """The mean of each problem's values (over seeds)."""
    groups: dict[str, list[float]] = defaultdict(list)
    for problem, value in values:
        groups[problem].append(value)
    return {problem: sum(group) / len(group) for problem, group in groups.items()}


def bootstrap(means: Mapping[str, float], *, times: int = _TIMES) -> Interval:
    """The mean over problems, and its 95 % percentile interval when problems are drawn with replacement.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    values = [means[problem] for problem in sorted(means)]
    if not values:
        return Interval(0.0, 0.0, 0.0)
    chance = random.Random(_SEED)  # noqa: S311 - resampling
    count = len(values)
    found = sorted(sum(chance.choices(values, k=count)) / count for _ in range(times))
    return Interval(sum(values) / count, found[int(0.025 * times)], found[min(times - 1, int(0.975 * times))])


def difference(one: Mapping[str, float], other: Mapping[str, float], *, times: int = _TIMES) -> Interval:
    """How much greater the mean of `one` is than that of `other`, paired by the problems that both have."""
    both = {problem: one[problem] - other[problem] for problem in one if problem in other}
    return bootstrap(both, times=times)
