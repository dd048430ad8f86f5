"""Keeps what a sample writes from beginning a line with something: with a comment, which costs tokens and no test asks
for.
"""

from __future__ import annotations

import numpy
from numpy.typing import NDArray


class Avoided:
    """What may not be drawn next.

    Args:
        tokens: those that begin with it, white space aside.
        at_start: whether the sample begins at the start of a line.
    """

    def __init__(self, tokens: NDArray[numpy.intp], *, at_start: bool) -> None:
        self._tokens = tokens
        self._at_start = at_start

    def feed(self, data: bytes) -> None:
        """Bytes that were drawn."""
        _, line_break, line = data.rpartition(b"\n")
        self._at_start = not line.strip() and (bool(line_break) or self._at_start)

    def without(self, logits: NDArray[numpy.float32]) -> NDArray[numpy.float32]:
        """`logits`, or a copy of them that leaves no chance to what would begin the line."""
        if not self._at_start:
            return logits
        left = logits.copy()
        left[self._tokens] = -numpy.inf
        return left
