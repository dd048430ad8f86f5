"""One run's books: who has worked for it, and what that has taken so far."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import define

from engine.energy.base import Energy, Work
from engine.energy.meter import Meter

AskWork = Callable[[], Awaitable[Work | None]]
"""What a model has done so far; None while that cannot be told."""


@define
class _Model:
    ask: AskWork
    before: Work
    work: Work


class Account:
    """Begins with its making.  Can be read at any time, and from several tasks at once.

    A model host that several windows share is told apart by time alone: what it does for others meanwhile counts here.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._meter.start()
        self._models: list[_Model] = []

    async def attach(self, ask: AskWork) -> None:
        """From here on a model's work counts; `ask` tells all that it has ever done."""
        self._models.append(_Model(ask, await ask() or Work(), Work()))

    async def read(self, test_seconds: float) -> Energy:
        """What the run has taken so far.  Asks the model host, which answers within milliseconds.

        Args:
            test_seconds: CPU time of tests in this run.
        """
        for model in self._models:
            if (now := await model.ask()) is not None:
                model.work = now.since(model.before)
        return self._meter.read(sum((model.work for model in self._models), Work()), test_seconds)

    def close(self) -> None:
        """Let go of the meters."""
        self._meter.stop()
