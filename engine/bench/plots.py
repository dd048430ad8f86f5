"""Plots of what a bench found; needs matplotlib, which the extra `bench` brings, and nothing else imports."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import ConfigError

Point = tuple[float, bool]
"""When (in seconds, or samples) something was solved; whether it was."""


def curves(points: Mapping[str, Sequence[Point]], what: str, title: str, file: Path) -> None:
    """For each name the share of runs that were solved, by then: one line each, as steps.

    Args:
        what: label of the horizontal axis.
        file: PNG, SVG or PDF, by its name's end.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        matplotlib = importlib.import_module("matplotlib")
        matplotlib.use("Agg")
        pyplot: Any = importlib.import_module("matplotlib.pyplot")
    except ImportError as error:
        raise ConfigError("Plots need matplotlib.", remedy="pip install 'greenfinch[bench]'") from error
    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    end = max((at for group in points.values() for at, _ in group), default=1.0)
    for name, group in points.items():
        xs, ys = steps(group)
        axes.step([*xs, end], [*ys, ys[-1]], where="post", label=name)
    axes.set(xlabel=what, ylabel="share of runs solved", title=title, ylim=(0, 1), xlim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file, dpi=150)
    pyplot.close(figure)


def steps(points: Iterable[Point]) -> tuple[list[float], list[float]]:
    """Where the share of what is solved grows, and to what; begins at nothing."""
    points = list(points)
    times = sorted(at for at, solved in points if solved)
    return [0.0, *times], [0.0, *((rank + 1) / len(points) for rank in range(len(times)))]
