"""The energy counters of NVIDIA's cards (Volta and later), through NVIDIA's own bindings (the extra `gpu`).

A counter holds millijoules since the driver was loaded, for the whole card, other programs included.
https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceQueries.html
"""

from __future__ import annotations

from typing import Any

from attrs import define

_MILLIJOULES = 1e3


@define
class _Card:
    handle: Any
    last: int
    used: int = 0

    def advance(self, now: int) -> None:
        """A counter that has become smaller began at 0 again: the driver was loaded anew."""
        self.used += now - self.last if now >= self.last else now
        self.last = now


class Nvml:
    """All cards whose counter can be read."""

    name, covers = "NVML", "gpu"

    def __init__(self, nvml: Any, cards: list[_Card]) -> None:
        self._nvml = nvml
        self._cards = cards

    @classmethod
    def open(cls) -> Nvml | None:
        """The counters from now on; None without the bindings, a driver, or a card that counts."""
        try:
            import pynvml
        except ImportError:
            return None
        return cls.over(pynvml)

    @classmethod
    def over(cls, nvml: Any) -> Nvml | None:
        """`open` with given bindings."""
        try:
            nvml.nvmlInit()
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError:
            return None
        cards = []
        for index in range(count):
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                cards.append(_Card(handle, nvml.nvmlDeviceGetTotalEnergyConsumption(handle)))
            except nvml.NVMLError:  # an older card, or one that this user may not ask
                continue
        if not cards:
            nvml.nvmlShutdown()
            return None
        return cls(nvml, cards)

    def joules(self) -> float:
        try:
            for card in self._cards:
                card.advance(self._nvml.nvmlDeviceGetTotalEnergyConsumption(card.handle))
        except self._nvml.NVMLError as error:
            raise OSError(f"NVML: {error}") from error
        return sum(card.used for card in self._cards) / _MILLIJOULES

    def close(self) -> None:
        try:
            self._nvml.nvmlShutdown()
        except self._nvml.NVMLError:  # the driver has gone: there is nothing left to let go of
            return
