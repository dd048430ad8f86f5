"""Words for what may be few or thousands."""

from __future__ import annotations

from collections.abc import Iterable

MOST_LINES = 20  # of a list that somebody is to read


def some_of(texts: Iterable[str], most: int = MOST_LINES) -> list[str]:
    """The texts; of more than `most` the first ones, and behind them how many there are besides."""
    found = list(texts)
    left = len(found) - most
    return found if left <= 0 else [*found[:most], f"and {left:,} more"]
