"""The words of energy: what was worked, what it took, and where that is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from attrs import field, frozen

PHASES = ("prompt", "decode", "tests")
"""What a run's energy goes into: reading prompts, sampling tokens, running tests (the sandbox and the strict verdict
included)."""


@frozen
class Work:
    """What a backend has done on this machine so far; only differences of two of these mean anything.

    Attributes:
        cpu_seconds: CPU time of its processes.
        prompt_seconds, decode_seconds: wall time of its steps, as far as they read prompts, and as far as they sampled.
        gpu_prompt_seconds, gpu_decode_seconds: of these, the ones with the model, or a part of it, on a GPU.
        elsewhere: other machines sample, too, and what they take is not known here.
    """

    cpu_seconds: float = 0.0
    prompt_seconds: float = 0.0
    decode_seconds: float = 0.0
    gpu_prompt_seconds: float = 0.0
    gpu_decode_seconds: float = 0.0
    elsewhere: bool = False

    def since(self, before: Work) -> Work:
        """What was done after `before`."""
        return Work(
            max(0.0, self.cpu_seconds - before.cpu_seconds),
            max(0.0, self.prompt_seconds - before.prompt_seconds),
            max(0.0, self.decode_seconds - before.decode_seconds),
            max(0.0, self.gpu_prompt_seconds - before.gpu_prompt_seconds),
            max(0.0, self.gpu_decode_seconds - before.gpu_decode_seconds),
            self.elsewhere,
        )

    def __add__(self, other: Work) -> Work:
        """What two have done together."""
        return Work(
            self.cpu_seconds + other.cpu_seconds,
            self.prompt_seconds + other.prompt_seconds,
            self.decode_seconds + other.decode_seconds,
            self.gpu_prompt_seconds + other.gpu_prompt_seconds,
            self.gpu_decode_seconds + other.gpu_decode_seconds,
            self.elsewhere or other.elsewhere,
        )

    @property
    def gpu(self) -> bool:
        """Whether a GPU has worked."""
        return self.gpu_prompt_seconds + self.gpu_decode_seconds > 0

    @property
    def prompt_share(self) -> float:
        """How much of the work was reading prompts: 0 to 1."""
        steps = self.prompt_seconds + self.decode_seconds
        return self.prompt_seconds / steps if steps else 0.0


@frozen
class Energy:
    """Watt-hours, and how they are known.

    Attributes:
        label: `measured (RAPL)`, `estimated`, or which part is which.
        phases: watt-hours by phase (see `PHASES`); their sum can be less than the whole: a meter of the whole machine
            counts waiting, too.
    """

    watt_hours: float
    label: str
    phases: Mapping[str, float] = field(factory=dict)

    def cost(self, price_per_kwh: float) -> float:
        """Money, in the currency of the price."""
        return self.watt_hours / 1000 * price_per_kwh


class Source(Protocol):
    """A meter that can be read.

    Attributes:
        name: as told in labels.
        covers: what it counts: `cpu`, `gpu`, or `both`.
    """

    @property
    def name(self) -> str: ...

    @property
    def covers(self) -> str: ...

    def joules(self) -> float:
        """What has been drawn since the source was opened.

        Raises:
            OSError: it can no longer be read.
        """

    def close(self) -> None:
        """Let go of what it holds."""
