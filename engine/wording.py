"""Words for what may be one, a few or thousands."""

from __future__ import annotations

from collections.abc import Iterable

MOST_LINES = 20  # of a list that somebody is to read


def some_of(texts: Iterable[str], most: int = MOST_LINES) -> list[str]:
    """The texts; of more than `most` the first ones, and behind them how many there are besides."""
    found = list(texts)
    left = len(found) - most
    return found if left <= 0 else [*found[:most], f"and {left:,} more"]


def counted(number: int, noun: str) -> str:
    """`1 token`, `2 tokens`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def tests_score(passed: int, total: int, whole: bool) -> str:
    """`3/5 tests`; `1/5 tests, stopped at a failure` where not all of them were run."""
    return f"{passed}/{total} tests" if whole else f"{passed}/{total} tests, stopped at a failure"
