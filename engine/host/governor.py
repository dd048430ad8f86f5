"""Chooses how many threads each decode step gets, from how long the last ones took.

llama.cpp's threads wait for each other by spinning, some hundred times a step.  On a quiet machine that is fast; when
another program takes one of the cores, each wait lasts until the scheduler gives the core back, and two threads on
two cores fall to a fraction of the speed of one.  Waiting passively (`GOMP_SPINCOUNT=0`) costs a third to a half of
the speed on a quiet machine instead.  So the count follows the machine: down at once when a step is slow, up again by
a trial step now and then, less often after each trial that did not pay.

Pure: times come in, counts go out.
"""

from __future__ import annotations

from attrs import define, field

_SLOW = 1.35  # a step this many times slower than fewer threads would be is one too many
_SMOOTHING = 0.3
_FIRST_TRIAL = 0.5  # seconds on fewer threads before more are tried; each trial in vain makes it longer
_PATIENCE_GROWS = 2.5
_LAST_TRIAL = 10.0


@define
class _Rung:
    """One thread count, and what a step of each size has taken with it, in seconds."""

    threads: int
    seconds: dict[int, float] = field(factory=dict)

    def learn(self, size: int, seconds: float) -> None:
        known = self.seconds.get(size)
        self.seconds[size] = seconds if known is None else known + _SMOOTHING * (seconds - known)


class ThreadGovernor:
    """Call `threads` before each step and `learn` after it.

    Args:
        most: threads to use on a quiet machine, at least 1.
    """

    def __init__(self, most: int) -> None:
        counts = sorted({most, max(1, most - 1), (most + 1) // 2, 1}, reverse=True)
        self._ladder = [_Rung(count) for count in counts]
        self._at = 0
        self._asked = 0  # the rung that `threads` answered with last
        self._tried_at = 0.0
        self._patience = _FIRST_TRIAL

    @property
    def settled(self) -> int:
        """The count in use, trials aside."""
        return self._ladder[self._at].threads

    def threads(self, tokens: int, now: float) -> int:
        """Threads for a step of `tokens` tokens at time `now`, in seconds of any clock."""
        size = tokens.bit_length()
        self._asked = self._at
        if self._at > 0 and now - self._tried_at >= self._patience:
            self._asked = self._at - 1
        elif size in self._ladder[self._at].seconds:
            # Once for each size: without a figure for fewer threads nothing tells that these are too many.
            unknown = (n for n in range(self._at + 1, len(self._ladder)) if size not in self._ladder[n].seconds)
            self._asked = next(unknown, self._at)
        return self._ladder[self._asked].threads

    def learn(self, tokens: int, seconds: float, now: float) -> None:
        """The step that `threads` was asked for last took `seconds`, and ended at `now`."""
        size = tokens.bit_length()
        here = self._ladder[self._at].seconds.get(size)
        if self._asked < self._at:
            self._tried_at = now
            if here is not None and seconds < here:
                self._at = self._asked
                self._ladder[self._at].learn(size, seconds)
                self._patience = _FIRST_TRIAL
            else:
                self._patience = min(_LAST_TRIAL, _PATIENCE_GROWS * self._patience)
        elif self._is_slow(size, seconds):
            self._at += 1
            self._tried_at = now
        else:
            self._ladder[self._asked].learn(size, seconds)
            if self._asked > self._at and here is not None and seconds < here:
                self._at, self._tried_at = self._asked, now

    def _is_slow(self, size: int, seconds: float) -> bool:
        """Whether a step was slower than it would have been with fewer threads."""
        if self._asked > self._at:
            return False
        known = [lower.seconds[size] for lower in self._ladder[self._at + 1 :] if size in lower.seconds]
        return bool(known) and seconds > _SLOW * min(known)
