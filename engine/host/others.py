"""How much of the machine other programs use: what tells a core that is free from one that only looks slow."""

from __future__ import annotations

import time

import psutil

_LEAST_SECONDS = 0.2  # between two looks; the kernel counts in hundredths
_LONGEST_SECONDS = 2.0  # what others did while nobody looked tells little of now


class OthersLoad:
    """Cores' worth of time that other processes have used lately, on the cores that this one may use."""

    def __init__(self) -> None:
        process = psutil.Process()
        self._process = process
        self._mine = process.cpu_affinity() if hasattr(process, "cpu_affinity") else None
        self._looked = time.monotonic()
        self._idle, self._own = self._now()
        self._last: float | None = None

    def cores(self) -> float | None:
        """As of the last fifth of a second, or longer; None: not known yet."""
        now = time.monotonic()
        span = now - self._looked
        if span >= _LEAST_SECONDS:
            idle, own = self._now()
            if span > _LONGEST_SECONDS:
                self._looked, self._idle, self._own = now, idle, own
                return self._last
            used = len(self._counted()) * span - (idle - self._idle) - (own - self._own)
            self._last = max(0.0, used / span)
            self._looked, self._idle, self._own = now, idle, own
        return self._last

    def _counted(self) -> list[int]:
        return self._mine or list(range(psutil.cpu_count() or 1))

    def _now(self) -> tuple[float, float]:
        """Seconds that the cores have idled, and that this process has used."""
        times = psutil.cpu_times(percpu=True)
        chosen = [times[cpu] for cpu in self._counted() if cpu < len(times)]
        idle = sum(each.idle + getattr(each, "iowait", 0.0) for each in chosen)
        own = self._process.cpu_times()
        return idle, own.user + own.system
