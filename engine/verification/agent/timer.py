"""Ends a test that takes longer than it may, so that the tests after it still tell their outcome.

By an exception raised in the test, from a signal handler: only in the main thread, and where there are such signals.
A test that cannot be ended so (it blocks in native code, or catches everything) ends with the whole run, from outside.
"""

from __future__ import annotations

import signal
import time
from typing import Any, Optional

AGAIN_SECONDS = 1.0  # for code that catches the exception and goes on
IN_HASTE = 0.05  # of its limit is what a test gets once another has used up its own: nothing can pass any more
LEAST_SECONDS = 0.5


class TestTimeout(BaseException):
    """Raised in a test at its time limit; no `Exception`, since code under test catches those."""

    __test__ = False
    __module__ = "builtins"  # so that it is shown by its bare name


class Timer:
    """One for a run."""

    def __init__(self) -> None:
        self.expect({}, 0.0)
        self._in_haste = False
        self._limit: Optional[float] = None  # of the test that is being timed
        self._before: Any = None  # handler
        self._others = 0.0  # seconds that a timer of somebody else still had
        self._started = 0.0

    def expect(self, limits: dict[str, float], default: float) -> None:
        """Seconds by test id, and for tests that are not among them; 0: none."""
        self._limits, self._default = limits, default

    def start(self, test_id: str) -> None:
        """Time one phase of a test.  A sooner timer of the user's own (pytest-timeout's, say) is left alone."""
        limit = self._limits.get(test_id, self._default)
        if not limit or not hasattr(signal, "setitimer"):
            return
        if self._in_haste:
            limit = max(LEAST_SECONDS, IN_HASTE * limit)
        others = signal.getitimer(signal.ITIMER_REAL)[0]
        if 0 < others <= limit:
            return
        try:
            self._before = signal.signal(signal.SIGALRM, self._expired)
        except ValueError:
            return  # not the main thread
        self._limit, self._others, self._started = limit, others, time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, limit, AGAIN_SECONDS)

    def stop(self) -> None:
        """The phase is over."""
        if self._limit is None:
            return
        self._limit = None
        if signal.getsignal(signal.SIGALRM) != self._expired:
            return  # the test has a handler and a timer of its own
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if self._before is None else self._before)
        if self._others:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, self._others - (time.monotonic() - self._started)))

    def _expired(self, number: int, frame: object) -> None:
        if self._limit is not None:
            self._in_haste = True
            raise TestTimeout(f"it did not end within {self._limit:g} s")
