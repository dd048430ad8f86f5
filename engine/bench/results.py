"""What the benches of the model host tell: rates, ratios made within a round, and the machine they are of."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Any

import psutil
from attrs import frozen

from engine.machine.cpus import usable_cores
from engine.machine.hardware import cpu_name, load_average, system_name
from engine.models.store import ModelFile

BEST = "best"


@frozen
class Timed:
    """One run of one kind.

    Attributes:
        tokens: sampled by all candidates. ended: seconds after which each candidate had ended.
        decoding: seconds of these inside `llama_decode`, if the kind tells.
    """

    tokens: int
    ended: Sequence[float]
    decoding: float | None = None

    @property
    def rate(self) -> float:
        """Tokens per second of all candidates together."""
        return self.tokens / max(self.ended)


@frozen
class Measured:
    """Medians for one N.

    Attributes:
        subject: the kind that is measured against the others.
        rate: tokens per second by kind. first, last: seconds to the first and last finished candidate, by kind.
        ratio: the subject's rate to that of another kind, in the same round; `best`: to the best of them.
        spread: the least and the greatest of those ratios.
        decoding: the share of the subject's time inside `llama_decode`: what is not lost to sampling and protocol.
    """

    subject: str
    n: int
    rate: Mapping[str, float]
    first: Mapping[str, float]
    last: Mapping[str, float]
    ratio: Mapping[str, float]
    spread: Mapping[str, tuple[float, float]]
    decoding: float | None = None

    @classmethod
    def of(cls, subject: str, n: int, rounds: Sequence[Mapping[str, Timed]]) -> Measured:
        kinds = list(rounds[0])
        others = [kind for kind in kinds if kind != subject]

        def medians(value: Any) -> dict[str, float]:
            return {kind: round(statistics.median(value(each[kind]) for each in rounds), 3) for kind in kinds}

        ratios = {kind: [each[subject].rate / each[kind].rate for each in rounds] for kind in others}
        if len(others) > 1:
            best = [max(each[kind].rate for kind in others) for each in rounds]
            ratios[BEST] = [each[subject].rate / rate for each, rate in zip(rounds, best, strict=True)]
        timed = [each[subject] for each in rounds]
        shares = [each.decoding / max(each.ended) for each in timed if each.decoding is not None]
        return cls(
            subject,
            n,
            medians(lambda timed: timed.rate),
            medians(lambda timed: min(timed.ended)),
            medians(lambda timed: max(timed.ended)),
            {kind: round(statistics.median(values), 3) for kind, values in ratios.items()},
            {kind: (round(min(values), 3), round(max(values), 3)) for kind, values in ratios.items()},
            round(statistics.median(shares), 3) if shares else None,
        )


@frozen
class Machine:
    """What was measured on, without names and paths."""

    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str
    llama_cpp_python: str
    model: str
    model_mb: int
    threads: int
    load: float
    server: str = ""

    @classmethod
    def of(cls, model: ModelFile, threads: int) -> Machine:
        return cls(
            cpu_name(),
            usable_cores(),
            round(psutil.virtual_memory().total / 1e9, 1),
            system_name(),
            platform.python_version(),
            installed_version("llama-cpp-python"),
            model.name,
            round(model.path.stat().st_size / 1e6),
            threads,
            load_average(),
            _server(),
        )


def _server() -> str:
    try:
        return f"xllamacpp {installed_version('xllamacpp')}"
    except PackageNotFoundError:
        return "no server with slots"
