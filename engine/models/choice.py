"""Which of the installed models `auto` means, and why: the largest that gives an edit soon, if this machine is known.

What a machine can do is known once `greenfinch models fit` has measured it; until then the catalogue's ranks decide.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from attrs import evolve, frozen

from engine.machine import hardware
from engine.machine.hardware import Hardware
from engine.models.catalogue import ModelEntry
from engine.models.fit import Plan, plans
from engine.models.running import hosted

SOON_SECONDS = 30.0
"""To a verified edit: what somebody waits for without turning to something else."""


@frozen
class Choice:
    """A model, and in a few words why this one."""

    entry: ModelEntry
    why: str


def choose(present: Sequence[ModelEntry], machine: Hardware | None = None) -> Choice:
    """The one to use of the models that are `present`, at least one.

    Args:
        machine: what `models fit` has found; by default what it has kept, if anything, and then hosts that run here
            count.
    """
    running = hosted if machine is None else _none
    machine = machine or hardware.kept()
    if machine is not None and machine.flops:
        rows = _planned(present, machine, running)
        fitting = {row.model: row for row in rows if row.fits}
        soon = [entry for entry in present if entry.name in fitting and _soon(fitting[entry.name])]
        if soon:
            entry = max(soon, key=lambda entry: entry.parameters)
            seconds = fitting[entry.name].seconds
            return Choice(entry, f"the largest installed model that gives an edit soon here, {seconds:.0f} s estimated")
        if fitting:
            quickest = min(fitting.values(), key=lambda row: row.seconds)
            entry = next(entry for entry in present if entry.name == quickest.model)
            return Choice(entry, f"the quickest installed model that fits here, {quickest.seconds:.0f} s estimated")
        if rows:
            entry = min(present, key=lambda entry: entry.size)
            return Choice(entry, "the smallest installed model, as none fits in the memory that is free")
    entry = max(present, key=lambda entry: (entry.rank, -entry.size))
    return Choice(
        entry, "the best installed model that is quick on most machines; `greenfinch models fit` measures yours"
    )


def _planned(
    present: Sequence[ModelEntry], machine: Hardware, running: Callable[[Sequence[ModelEntry]], Collection[str]]
) -> list[Plan]:
    """In the memory that is free.  A model whose host runs has what it needs: only another one would have to fit
    beside it, and `auto` must not turn to a smaller model because of its own host.

    Args:
        running: says which of some models have a host; asked only if the answer matters.
    """
    rows = list(plans(present, machine))
    emptied = evolve(
        machine, ram_free=machine.ram, gpus=tuple(evolve(gpu, free=gpu.total or gpu.free) for gpu in machine.gpus)
    )
    alone = {row.model: evolve(row, fits=True) for row in plans(present, emptied)}
    short = {row.model for row in rows if row != alone[row.model]}
    there = running([entry for entry in present if entry.name in short]) if short else ()
    return [alone[row.model] if row.model in there else row for row in rows]


def _none(_entries: Sequence[ModelEntry]) -> Collection[str]:
    return ()


def _soon(row: Plan) -> bool:
    return 0 < row.seconds <= SOON_SECONDS
