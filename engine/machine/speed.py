"""How fast this machine reads memory and multiplies, measured in about a second: what a model's speed follows from.

numpy is loaded for it, so it runs in a process of its own: `python -P -m engine.machine.speed THREADS`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from attrs import frozen

_SECONDS = 60.0
_BLOCK = 64 << 20  # bytes a thread reads in one go: more than caches hold
_SIDE = 512
_ROUNDS = 5


@frozen
class Speed:
    """Bytes per second read from memory, and floating-point operations (32 bits) per second, by all usable cores."""

    bandwidth: float
    flops: float


def measure(threads: int) -> Speed | None:
    """Best of some rounds, in the threads' own time: what the machine can do when it is quiet.  None: it failed."""
    command = [sys.executable, "-P", "-m", "engine.machine.speed", str(threads)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)  # noqa: S603 - ours
        return Speed(**json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return None


def _reading(block: Any) -> float:
    """Bytes per second of this thread's own time: what other programs take of the core does not count."""
    begun = time.thread_time()
    float(block.max())  # reads, and hardly computes
    return _BLOCK / max(1e-9, time.thread_time() - begun)


def _multiplying(matrix: Any) -> float:
    """Operations per second, of the same time."""
    begun = time.thread_time()
    matrix @ matrix
    return 2 * _SIDE**3 / max(1e-9, time.thread_time() - begun)


def _main(threads: int) -> None:
    import numpy

    blocks = [numpy.ones(_BLOCK // 8) for _ in range(threads)]
    left = [numpy.ones((_SIDE, _SIDE), numpy.float32) for _ in range(threads)]
    reading, multiplying = 0.0, 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(_ROUNDS):
            reading = max(reading, sum(pool.map(_reading, blocks)))
            multiplying = max(multiplying, sum(pool.map(_multiplying, left)))
    print(json.dumps({"bandwidth": reading, "flops": multiplying}))


if __name__ == "__main__":
    import os

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the threads are ours
    _main(int(sys.argv[1]))
