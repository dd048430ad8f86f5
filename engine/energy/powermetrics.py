"""macOS' own meter, `powermetrics`, where it may be started without a question: as root, or by a rule for sudo.

It prints the mean power of each interval; joules are these times the intervals' lengths.  What it calls combined power
is the chip's: CPU, GPU and neural engine, without memory and screen.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import nullcontext, suppress

INTERVAL_MS = 500
_END_SECONDS = 4 * INTERVAL_MS / 1000
_INTERVAL = re.compile(r"\*+ Sampled system activity .*\((?P<ms>[\d.]+)ms elapsed\)")
_POWER = re.compile(
    r"\s*(?:Combined Power \(CPU \+ GPU \+ ANE\)|Intel energy model derived package power \([^)]*\)):"
    r"\s*(?P<power>[\d.]+)\s*(?P<unit>m?W)"
)


class PowerMetrics:
    """A `powermetrics` that runs until `close`."""

    name, covers = "powermetrics", "both"

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._joules = 0.0
        self._closing = threading.Event()
        self._reader = threading.Thread(target=self._read, name="powermetrics", daemon=True)
        self._reader.start()

    @classmethod
    def open(cls) -> PowerMetrics | None:
        """Start it; None on other systems, or without the permission."""
        tool = shutil.which("powermetrics")
        if sys.platform != "darwin" or tool is None:
            return None
        command = [tool, "--samplers", "cpu_power,gpu_power", "-i", str(INTERVAL_MS), "--buffer-size", "1"]
        if os.geteuid() != 0:
            asked = subprocess.run(["sudo", "-n", "-l", *command], capture_output=True, check=False)  # noqa: S603, S607 - asks for leave, runs nothing
            if asked.returncode:
                return None
            command = ["sudo", "-n", *command]
        try:
            process = subprocess.Popen(  # noqa: S603 - the system's own tool
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        except OSError:
            return None
        return cls(process)

    def joules(self) -> float:
        if self._process.poll() is not None:
            raise OSError(f"powermetrics ended with status {self._process.returncode}")
        return self._joules

    def close(self) -> None:
        """End it.  Under sudo it takes no signal from its user; what it prints next, into a closed pipe, ends it."""
        self._closing.set()
        with suppress(PermissionError):
            self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)

    def _read(self) -> None:
        with self._process.stdout or nullcontext(()) as lines:
            for joules in intervals(lines):
                if self._closing.is_set():
                    break
                self._joules += joules


def intervals(lines: Iterable[str]) -> Iterable[float]:
    """The joules of each interval that `powermetrics` prints."""
    seconds = 0.0
    for line in lines:
        if found := _INTERVAL.match(line):
            seconds = float(found["ms"]) / 1000
        elif seconds and (found := _POWER.match(line)):
            yield float(found["power"]) * (1e-3 if found["unit"] == "mW" else 1.0) * seconds
            seconds = 0.0  # two samplers may print the same line
