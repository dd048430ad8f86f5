"""RAPL, the energy counters of Intel's and AMD's processors, as Linux shows them under powercap.

They count all that a processor package draws, other programs included, and the memory where the processor meters it.
Most systems let only root read them.  https://docs.kernel.org/power/powercap/powercap.html
"""

from __future__ import annotations

from pathlib import Path

from attrs import define

POWERCAP = Path("/sys/class/powercap")
_MICROJOULES = 1e6


@define
class _Counter:
    """Microjoules since an unknown moment, which wrap around at `span`."""

    path: Path
    span: int
    last: int
    used: int = 0

    def advance(self) -> None:
        now = _number(self.path)
        self.used += now - self.last if now >= self.last else now + self.span - self.last
        self.last = now


class Rapl:
    """All packages of the machine, and their memory.

    A counter wraps around after minutes to hours at full load: read now and then in a longer run, not at its end alone.
    """

    name, covers = "RAPL", "cpu"

    def __init__(self, counters: list[_Counter]) -> None:
        self._counters = counters

    @classmethod
    def open(cls, powercap: Path = POWERCAP) -> Rapl | None:
        """The counters from now on; None where there are none, or they may not be read."""
        try:
            counters = [_open(domain) for domain in sorted(powercap.glob("intel-rapl:*")) if _counts(domain)]
        except (OSError, ValueError):
            return None
        return cls(counters) if counters else None

    def joules(self) -> float:
        try:
            for counter in self._counters:
                counter.advance()
        except ValueError as error:
            raise OSError(f"a RAPL counter holds no number: {error}") from error
        return sum(counter.used for counter in self._counters) / _MICROJOULES

    def close(self) -> None:
        """Nothing is held."""


def _counts(domain: Path) -> bool:
    """Packages, and the memory beside them.  Cores and graphics lie within a package, and `psys` around it all: they
    would be counted twice."""
    name = (domain / "name").read_text().strip()
    return name.startswith("package") if domain.name.count(":") == 1 else name == "dram"


def _open(domain: Path) -> _Counter:
    counter = domain / "energy_uj"
    return _Counter(counter, _number(domain / "max_energy_range_uj"), _number(counter))


def _number(path: Path) -> int:
    return int(path.read_text())
