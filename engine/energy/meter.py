"""The machine's meters as one: what they show is split by phase, and what they do not show is estimated.

The power model of the estimate: a busy core takes `cpu_watts`, a GPU that works on the model `gpu_watts`; idle parts,
memory, disks and screens take nothing.  It is a rough figure, meant for comparing runs, and labelled as what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from attrs import define

from engine.energy.base import PHASES, Energy, Source, Work
from engine.energy.nvml import Nvml
from engine.energy.powermetrics import PowerMetrics
from engine.energy.rapl import Rapl

ESTIMATED = "estimated"
_JOULES_PER_WATT_HOUR = 3600.0

Opener = Callable[[], Source | None]
OPENERS: tuple[Opener, ...] = (Rapl.open, Nvml.open, PowerMetrics.open)


@define
class _Part:
    """What is told of the CPU, or of the GPU: joules, how known, and the share that is attributed to phases."""

    watts: float
    source: Source | None = None
    joules: float = 0.0
    seen: float = 0.0
    pending: float = 0.0

    def advance(self, seconds: dict[str, float]) -> dict[str, float]:
        """Joules by phase since the last call, in which each phase worked for `seconds`."""
        total = sum(seconds.values())
        if self.source is not None:
            try:
                now = self.source.joules()
            except OSError:  # it has gone: from here on the estimate goes on
                self.source = None
            else:
                self.joules += now - self.seen
                self.pending += now - self.seen
                self.seen = now
                if not total:
                    return {}  # nobody worked: whoever works next takes it
                spent, self.pending = self.pending, 0.0
                return {phase: spent * part / total for phase, part in seconds.items()}
        self.joules += total * self.watts
        return {phase: part * self.watts for phase, part in seconds.items()}


class Meter:
    """Measures from `start` on.

    Args:
        cpu_watts: power of one busy core, for the estimate.
        gpu_watts: power of a GPU at work on the model, for the estimate.
        openers: what meters to try.
    """

    def __init__(self, cpu_watts: float, gpu_watts: float = 0.0, *, openers: Sequence[Opener] = OPENERS) -> None:
        self._openers = openers
        self._sources: list[Source] = []
        self._cpu, self._gpu = _Part(cpu_watts), _Part(gpu_watts)
        self._phases = dict.fromkeys(PHASES, 0.0)
        self._work = Work()
        self._tests = 0.0
        self._lost = False

    def start(self) -> None:
        """Count from here."""
        self._sources = [source for opener in self._openers if (source := opener()) is not None]
        for source in self._sources:
            if source.covers in {"cpu", "both"}:
                self._cpu.source = self._cpu.source or source
            if source.covers == "gpu":
                self._gpu.source = self._gpu.source or source

    def read(self, work: Work, test_seconds: float) -> Energy:
        """Energy since `start`; to be asked every few minutes at least, since counters wrap around.

        Args:
            work: the model's, since then.
            test_seconds: CPU time of tests since then.
        """
        new = work.since(self._work)
        tests = max(0.0, test_seconds - self._tests)
        # What was told can fall, when a host is lost that cannot be asked again: what rises after that was counted.
        self._work, self._tests = self._work + new, test_seconds
        had = self._cpu.source, self._gpu.source
        share = new.prompt_share
        cpu = {"prompt": new.cpu_seconds * share, "decode": new.cpu_seconds * (1 - share), "tests": tests}
        parts = [self._cpu.advance(cpu)]
        if work.gpu and not (self._cpu.source and self._cpu.source.covers == "both"):
            parts.append(self._gpu.advance({"prompt": new.gpu_prompt_seconds, "decode": new.gpu_decode_seconds}))
        for part in parts:
            for phase, joules in part.items():
                self._phases[phase] += joules
        self._lost |= had != (self._cpu.source, self._gpu.source)
        gpu = self._gpu.joules if work.gpu else 0.0
        phases = {phase: joules / _JOULES_PER_WATT_HOUR for phase, joules in self._phases.items()}
        return Energy((self._cpu.joules + gpu) / _JOULES_PER_WATT_HOUR, self._label(work), phases)

    def stop(self) -> None:
        """Let go of the meters."""
        for source in self._sources:
            with suppress(OSError):  # a run's outcome does not depend on it
                source.close()
        self._sources = []

    def _label(self, work: Work) -> str:
        here = self._how(work.gpu)
        return f"{here}, this machine's part alone" if work.elsewhere else here

    def _how(self, uses_gpu: bool) -> str:
        if self._lost:  # a part of the figure is an estimate, then
            return ESTIMATED
        cpu, gpu = self._cpu.source, self._gpu.source
        if not uses_gpu or (cpu is not None and cpu.covers == "both"):
            return f"measured ({cpu.name})" if cpu else ESTIMATED
        if cpu and gpu:
            return f"measured ({cpu.name}, {gpu.name})"
        if cpu:
            return f"CPU measured ({cpu.name}), GPU {ESTIMATED}"
        return f"GPU measured ({gpu.name}), CPU {ESTIMATED}" if gpu else ESTIMATED
