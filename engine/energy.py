"""What a run costs in energy: read from the processor's own meter where that can be read, else estimated.

RAPL counts everything that the processor packages draw, other programs included, and neither memory nor a graphics
card.  The label that goes with every number says which of the two it is.
"""

from __future__ import annotations

from pathlib import Path

from attrs import define, frozen

MEASURED = "measured (RAPL)"
ESTIMATED = "estimated"

_POWERCAP = Path("/sys/class/powercap")
_MICROJOULES_PER_WATT_HOUR = 3600 * 1_000_000


@frozen
class Energy:
    """Watt-hours, and how they are known: `measured (RAPL)` or `estimated`."""

    watt_hours: float
    label: str


@define
class _Package:
    """One processor package's counter: microjoules since an unknown moment, which wrap around at `span`."""

    counter: Path
    span: int
    last: int
    used: int = 0

    def advance(self) -> None:
        now = _number(self.counter)
        self.used += now - self.last if now >= self.last else now + self.span - self.last
        self.last = now


class Meter:
    """Measures from `start` on.

    A counter wraps around after about an hour at full load: `read` now and then in a longer run, not at its end alone.

    Args:
        cpu_watts: power of one busy core, for the estimate.
        powercap: where Linux shows the counters.
    """

    def __init__(self, cpu_watts: float, *, powercap: Path = _POWERCAP) -> None:
        self._cpu_watts = cpu_watts
        self._powercap = powercap
        self._packages: tuple[_Package, ...] = ()

    def start(self) -> None:
        """Count from here."""
        try:
            self._packages = tuple(_packages(self._powercap))
        except (OSError, ValueError):  # on most systems only root may read them
            self._packages = ()

    def read(self, cpu_seconds: float) -> Energy:
        """Energy since `start`.

        Args:
            cpu_seconds: CPU time that the run has used since then, in all its processes.
        """
        try:
            for package in self._packages:
                package.advance()
        except (OSError, ValueError):
            self._packages = ()
        if not self._packages:
            return Energy(cpu_seconds * self._cpu_watts / 3600, ESTIMATED)
        return Energy(sum(package.used for package in self._packages) / _MICROJOULES_PER_WATT_HOUR, MEASURED)


def _packages(powercap: Path) -> list[_Package]:
    """The top-level domains; those within them (`intel-rapl:0:0`, the cores alone) would be counted twice."""
    found = []
    for domain in sorted(powercap.glob("intel-rapl:*")):
        if domain.name.count(":") == 1 and (domain / "name").read_text().startswith("package"):
            counter = domain / "energy_uj"
            found.append(_Package(counter, _number(domain / "max_energy_range_uj"), _number(counter)))
    return found


def _number(path: Path) -> int:
    return int(path.read_text())
