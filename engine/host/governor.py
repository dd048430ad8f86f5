"""Chooses how many threads each decode step gets: from how long the last ones took, and from what others use.

llama.cpp's threads wait for each other by spinning, some hundred times a step.  On a quiet machine that is fast; when
another program takes one of the cores, each wait lasts until the scheduler gives the core back, and two threads on
two cores fall to a fraction of the speed of one.  Waiting passively (`GOMP_SPINCOUNT=0`, or a low count) costs a third
to a half of the speed on a quiet machine instead, and is no better than one thread on a busy one.  So the count follows
the machine: down as soon as others take a core, or a step is slower than it would be with fewer threads; up again by a
trial step as soon as the core is free, less often after each trial that did not pay.  One step with a thread too many
was seen to take fifty times as long, so while others use the core trials are rarer the more the last one cost.

Pure: times come in, counts go out.  Its clock is the time spent in steps: what happens between runs costs nothing.
"""

from __future__ import annotations

from bisect import bisect_left

from attrs import define, field

_SLOW = 1.25  # a step this many times slower than fewer threads would be is one too many
_LATER = 1.1  # so is one this many times slower than usual, while others use the core
_SMOOTHING = 0.3
_FREE = 0.3  # of a core that others may use, and it still counts as free
_TAKEN = 0.6
_FIRST_TRIAL = 0.2  # seconds on fewer threads before more are tried; each trial in vain makes it longer
_PATIENCE_GROWS = 3.0
_LAST_TRIAL = 12.0
_BUSY_TRIAL = 45.0  # while others use the cores: what they do may yield to us
_COST = {True: 50.0, False: 20.0}  # times what the last trial lost, until the next: where others are known to be busy
_FAR = 4  # sizes of steps that are more than so many times apart tell little of each other
_LONG = 0.4  # seconds; a step this long is no trial, unless the core is known to be free


@define
class _Rung:
    """One thread count, and what a step of each size has taken with it, in seconds."""

    threads: int
    seconds: dict[int, float] = field(factory=dict)

    def learn(self, size: int, seconds: float) -> None:
        known = self.seconds.get(size)
        self.seconds[size] = seconds if known is None else known + _SMOOTHING * (seconds - known)

    def estimate(self, size: int) -> float | None:
        """Seconds of a step of `size`, from those of sizes near it; None: nothing near is known."""
        if size in self.seconds:
            return self.seconds[size]
        sizes = sorted(self.seconds)
        at = bisect_left(sizes, size)
        below, above = sizes[:at][-1:], sizes[at:][:1]
        if below and above:
            (low,), (high,) = below, above
            share = (size - low) / (high - low)
            return self.seconds[low] + share * (self.seconds[high] - self.seconds[low])
        if below and size <= _FAR * below[0]:
            return self.seconds[below[0]] * size / below[0]
        if above and above[0] <= _FAR * size:
            return self.seconds[above[0]]
        return None


class ThreadGovernor:
    """Call `threads` before each step and `learn` after it.

    Args:
        most: threads to use on a quiet machine, at least 1.
        cores: that this process may run on, and others, too: a quota of their time makes `most` less, and not these,
            since what others use (see `OthersLoad`) is counted on all of them; none taken as `most`.
        steady: always use `most`, as a bench does that compares the two.
    """

    def __init__(self, most: int, cores: int = 0, *, steady: bool = False) -> None:
        fewer = () if steady else (max(1, most - 1), (most + 1) // 2, 1)
        counts = sorted({most, *fewer}, reverse=True)
        self._ladder = [_Rung(count) for count in counts]
        self._cores = max(most, cores)
        self._at = 0
        self._asked = 0  # the rung that `threads` answered with last
        self._others: float | None = None
        self._worked = 0.0  # seconds in steps so far
        self._tried_at = 0.0
        self._patience = _FIRST_TRIAL
        self._lost = 0.0  # seconds, by the last trial in vain
        self._yielding = False  # others use the core, and let us pass

    @property
    def settled(self) -> int:
        """The count in use, trials aside."""
        return self._ladder[self._at].threads

    def threads(self, tokens: int, others: float | None = None) -> int:
        """Threads for a step.

        Args:
            tokens: that it evaluates.
            others: cores' worth of time that other programs used lately; None: not known.
        """
        self._others = others
        if not self._is_taken():
            self._yielding = False
        elif not self._yielding:
            self._step_down()
        self._asked = self._at
        if self._at > 0 and self._may_try(tokens):
            self._asked = self._at - 1
        elif self._ladder[self._at].estimate(tokens) is not None:
            # Once for sizes far apart: without a figure for fewer threads nothing tells that these are too many.
            rest = range(self._at + 1, len(self._ladder))
            unknown = (n for n in rest if self._ladder[n].estimate(tokens) is None)
            self._asked = next(unknown, self._at)
        return self._ladder[self._asked].threads

    def learn(self, tokens: int, seconds: float) -> None:
        """The step that `threads` was asked for last took `seconds`."""
        self._worked += seconds
        asked, here = self._ladder[self._asked], self._ladder[self._at].estimate(tokens)
        if self._asked < self._at:
            self._tried_at = self._worked
            if here is not None and seconds < here:
                self._at = self._asked
                asked.learn(tokens, seconds)
                self._patience, self._lost = _FIRST_TRIAL, 0.0
                self._yielding = self._is_taken()
            else:
                self._patience = min(_LAST_TRIAL, _PATIENCE_GROWS * self._patience)
                self._lost = seconds - (here or 0.0)
        elif self._asked == self._at and self._is_slow(tokens, seconds):
            self._yielding = False
            self._step_down()
        else:
            asked.learn(tokens, seconds)
            if self._asked > self._at and here is not None and seconds < here:
                self._at, self._tried_at = self._asked, self._worked

    def _step_down(self) -> None:
        if self._at + 1 < len(self._ladder):
            self._at += 1
            self._tried_at = self._worked

    def _may_try(self, tokens: int) -> bool:
        """Whether the next step may be one with more threads."""
        since = self._worked - self._tried_at
        usual = self._ladder[self._at].estimate(tokens)
        short = usual is None or usual < _LONG
        if self._others is None:
            return since >= max(self._patience, _COST[False] * self._lost) and short
        if self._others <= self._left(self._at - 1) + _FREE:
            return since >= self._patience
        return since >= max(_BUSY_TRIAL, _COST[True] * self._lost) and short

    def _left(self, rung: int) -> int:
        """Cores that this many threads leave to others."""
        return self._cores - self._ladder[rung].threads

    def _is_taken(self) -> bool:
        """Whether others use a core that the threads in use would need."""
        return self._others is not None and self._others >= self._left(self._at) + _TAKEN

    def _is_slow(self, tokens: int, seconds: float) -> bool:
        """Whether a step was slower than it would have been with fewer threads."""
        if self._at + 1 == len(self._ladder):
            return False
        known = [lower.estimate(tokens) for lower in self._ladder[self._at + 1 :]]
        least = min((each for each in known if each is not None), default=None)
        if least is not None and seconds > _SLOW * least:
            return True
        usual = self._ladder[self._at].estimate(tokens)
        if least is None or usual is None or not self._is_taken():
            return False
        return seconds > max(least, _LATER * usual)
