"""A problem set's own solutions and stubs, judged the strict way: is what is right accepted, and what is not refused?

Each text stands for the whole module, as with `greenfinch verify --replace module`; the judge is found as for any text.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal

import anyio
from attrs import frozen

from engine.bench.problems import Problem
from engine.bench.runner import target_of
from engine.config import Settings
from engine.errors import GreenfinchError
from engine.judgement import judge_text
from engine.request import ImplementRequest

Kind = Literal["reference", "stub"]
KINDS: tuple[Kind, ...] = ("reference", "stub")


@frozen
class Judged:
    """One text of one problem.

    Attributes:
        decided_by: as `Judgement.decided_by`; empty if it could not be judged at all.
        reason: why it was not accepted, or could not be judged.
        overfit_suspect: why it may be fitted to the tests; empty if nothing points to that.
        undecided: tests that no twin could turn around.
        seconds: wall time, the baseline included.
    """

    id: str
    kind: Kind
    accepted: bool
    decided_by: str
    reason: str
    overfit_suspect: str
    undecided: int
    tests: int
    seconds: float


@frozen
class Summary:
    """Over all problems.

    Attributes:
        references_not_accepted: by cause, and the ids of each.
        decided_by: how references were decided. median_seconds_reference: wall time.
    """

    problems: int
    references_accepted: int
    stubs_not_accepted: int
    references_not_accepted: Mapping[str, list[str]]
    stubs_accepted: list[str]
    decided_by: Mapping[str, int]
    overfit_suspects: list[str]
    median_seconds_reference: float


async def judge_problems(
    problems: Iterable[Problem], settings: Settings, *, done: Collection[tuple[str, str]] = ()
) -> AsyncGenerator[Judged, None]:
    """Both texts of each problem, but those (id, kind) that are `done`."""
    for problem in problems:
        for kind in KINDS:
            if (problem.id, kind) not in done:
                yield await _judge(problem, kind, settings)


async def _judge(problem: Problem, kind: Kind, settings: Settings) -> Judged:
    text = problem.solution_text if kind == "reference" else problem.module_text
    with tempfile.TemporaryDirectory(prefix="greenfinch-bench-") as name:
        root = Path(await anyio.Path(name).resolve())
        request = ImplementRequest(root, problem.write(root), target_of(problem))
        started = time.perf_counter()
        try:
            found = await judge_text(settings, request, text, "module")
        except GreenfinchError as error:
            seconds = round(time.perf_counter() - started, 2)
            return Judged(problem.id, kind, False, "", str(error), "", 0, 0, seconds)
        return Judged(
            problem.id, kind, found.accepted, found.decided_by, found.reason, found.overfit_suspect,
            len(found.undecided), len(found.tests), round(time.perf_counter() - started, 2),
        )  # fmt: skip


def summarise(judged: Iterable[Judged]) -> Summary:
    judged = list(judged)
    references = [each for each in judged if each.kind == "reference"]
    stubs = [each for each in judged if each.kind == "stub"]
    causes: dict[str, list[str]] = {}
    for each in references:
        if not each.accepted:
            causes.setdefault(f"{each.decided_by or 'not judged'}: {each.reason[:80]}", []).append(each.id)
    return Summary(
        problems=len({each.id for each in judged}),
        references_accepted=sum(each.accepted for each in references),
        stubs_not_accepted=sum(not each.accepted for each in stubs),
        references_not_accepted=causes,
        stubs_accepted=[each.id for each in stubs if each.accepted],
        decided_by=dict(Counter(each.decided_by for each in references if each.accepted)),
        overfit_suspects=[each.id for each in references if each.overfit_suspect],
        median_seconds_reference=round(statistics.median([each.seconds for each in references] or [0.0]), 2),
    )
