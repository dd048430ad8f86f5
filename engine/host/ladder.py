"""How many layers go to the GPU: all of them, fewer each time that fails, none at last.

A GPU without room says so while the model is loaded; fewer layers are tried then, in the same process.  One that is
lost while it works (a driver's reset, memory that another program took, a card switched off) takes the process along,
or leaves it useless: it ends, and whoever needs a host starts another.  What tells that one is a mark beside the
socket, which is made before the GPU is touched, and which only a host that ends in order takes back.  As long as the
GPU is in use the mark is renewed: a host can also be killed, or lose its power, and the next one begin days later.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

import psutil

RETRY_SECONDS = 600.0
"""A host that starts so long after a loss tries the whole GPU again."""
RENEW_SECONDS = 30.0

_SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
_LOWER_BY_LOSS = 2  # shares: half the layers after the first loss, and none after the second


class GpuLadder:
    """The rungs for the host at `socket`.

    Attributes:
        losses: how often the GPU was lost there lately.
    """

    def __init__(self, socket: Path) -> None:
        self._mark = socket.with_suffix(".gpu")
        self._in_use = False
        self._renewed = 0.0
        now = time.time()
        self._lost = [at for at in self._read() if now - at < RETRY_SECONDS]

    @property
    def losses(self) -> int:
        return len(self._lost)

    def rungs(self, layers: int) -> tuple[int, ...]:
        """How many of `layers` to try on the GPU, one after another; the last is 0."""
        first = min(_LOWER_BY_LOSS * self.losses, len(_SHARES) - 1)
        return tuple(dict.fromkeys(round(share * layers) for share in _SHARES[first:]))

    def mark(self, *, in_use: bool) -> None:
        """The GPU is about to be used, or is not used any more."""
        self._in_use, self._renewed = in_use, time.monotonic()
        try:
            if in_use or self._lost:
                self._mark.write_text(json.dumps({"in_use": in_use, "lost": self._lost}), "ascii")
            else:
                self._mark.unlink(missing_ok=True)
        except OSError:  # then the next host has to find out by itself
            return

    def renew(self) -> None:
        """The GPU, if it is marked as in use, still is; may be called as often as one likes."""
        if self._in_use and time.monotonic() - self._renewed >= RENEW_SECONDS:
            self._renewed = time.monotonic()
            with suppress(OSError):
                os.utime(self._mark)

    def _read(self) -> list[float]:
        """When the GPU was lost, the last host's loss included; a machine that was started since has lost nothing."""
        try:
            told = json.loads(self._mark.read_text("ascii"))
            lost = [float(at) for at in told["lost"]]
            last = self._mark.stat().st_mtime
            return [*lost, last] if told["in_use"] and last > psutil.boot_time() else lost
        except (OSError, ValueError, KeyError, TypeError):  # none, or half of one
            return []
