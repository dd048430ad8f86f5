"""Finds out which decode steps are quicker with one token more than they need.

On a CPU llama.cpp's kernels for repacked weights take several tokens together, and what is left over one by one, which
can cost more than to fill the group: on two AVX2 cores with 0.5B parameters 3 tokens took 120 ms and 4 took 100, 5 took
150 and 6 took 125.  Which sizes these are depends on the model and the machine, so it is measured as work goes on.

Pure: times come in, sizes go out.
"""

from __future__ import annotations

from collections import deque
from statistics import median

LEAST, MOST = 3, 15  # tokens of the steps that are looked at
_KNOWN = 4  # steps of a size after which its time is known
_KEPT = 9
_CLEARLY = 0.95  # of the time without: worth the token
_AGAIN = 64  # steps after which the other size is looked at once more


class Padding:
    """Call `size` before a step that only decodes, and `learn` after it."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[int, int], deque[float]] = {}
        self._steps: dict[tuple[int, int], int] = {}

    def size(self, tokens: int, threads: int) -> int:
        """Tokens that the step is to have: `tokens`, or one more."""
        if not LEAST <= tokens <= MOST:
            return tokens
        here = threads, tokens
        self._steps[here] = steps = self._steps.get(here, 0) + 1
        without, padded = self._seconds.get(here, ()), self._seconds.get((threads, tokens + 1), ())
        if len(without) < _KNOWN:
            return tokens
        if len(padded) < _KNOWN:
            return tokens + 1
        pays = median(padded) < _CLEARLY * median(without)
        other = steps % _AGAIN == 0
        return tokens + (pays != other)

    def learn(self, tokens: int, threads: int, seconds: float) -> None:
        """A step of so many tokens, padding counted, took `seconds`."""
        self._seconds.setdefault((threads, tokens), deque(maxlen=_KEPT)).append(seconds)
