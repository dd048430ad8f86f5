"""What becomes of candidates when one that passed is refused as it is judged again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from promises.workspace import BAD, GOOD, Workspace

from engine import driver, searching
from engine.bench.pool import from_record
from engine.choosing import Chosen, choose_among
from engine.energy import Account, Energy
from engine.events import CandidateStarted, CandidateTested, Event, Outcome
from engine.record import load_run
from engine.search import Everything
from engine.searching import _narrowed
from engine.verification.base import Judge
from engine.verification.strict import Case, Strict

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

REASON = "it passes only in the tests' own process, not called from there: x"
ALSO_GOOD = '    parts = title.lower().split()\n    return "-".join(parts)\n'
FIRST = "    import time\n\n    time.sleep(0.5)\n" + GOOD
SECOND = {"text": "    import time\n\n    time.sleep(1.5)\n" + ALSO_GOOD, "delay_per_token": 0.02}
"""In its tests, as they last longer, when the first one has passed."""


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has the strict verdict refuse texts that hold `marked`, all else decided as ever."""
    decide = Case.decide

    def refuse(marked: str, *, unsteady: bool = False) -> None:
        async def decided(case: Case) -> Strict:
            strict = await decide(case)
            return evolve(strict, reason=REASON, unsteady=unsteady) if marked in case.after else strict

        monkeypatch.setattr(Case, "decide", decided)

    return refuse


async def implement(
    workspace: Workspace, *bodies: str | Mapping[str, Any], **options: object
) -> tuple[Outcome, list[Event]]:
    events: list[Event] = []
    options = {"candidates": len(bodies), **options}
    outcome = await workspace.implement(*bodies, on_event=events.append, **options)
    return outcome, events


async def test_what_was_dropped_in_its_tests_is_tested_before_anything_is_sampled(workspace, refusing):
    refusing('return "-".join(title')
    outcome, events = await implement(workspace, FIRST, SECOND, strategy="best-of-n")
    assert outcome.passed, outcome.reason
    assert outcome.winner == 2
    tested = [event.number for event in events if isinstance(event, CandidateTested)]
    assert tested == [1, 2]
    run = from_record(load_run(Path(outcome.record).stem), problem="p", strategy="best-of-n", seed=0)
    assert [(each.number, each.status) for each in run.candidates] == [(1, "refused"), (2, "passed")]


async def test_the_reason_is_told_and_not_that_the_tests_are_unsteady(workspace, refusing):
    refusing('"-".join')
    bodies = (GOOD, BAD, "    return titel\n")  # the last is mended as soon as it is known
    outcome, events = await implement(workspace, *bodies, strategy="full", candidates=20)
    assert not outcome.passed
    assert outcome.reason == f"none of 20 candidates passed; candidate 1 passed, but {REASON}"
    assert any(isinstance(e, CandidateStarted) and e.parent for e in events)
    repaired = [e for e in events if isinstance(e, CandidateStarted) and e.parent == 1]
    assert repaired == []  # there is no failure to be mended


async def test_tests_that_fail_in_a_fresh_run_are_said_not_to_be_deterministic(workspace, refusing):
    refusing('"-".join', unsteady=True)
    outcome, _ = await implement(workspace, GOOD, BAD, strategy="full")
    assert outcome.reason == "a candidate passed once and failed when it was confirmed: the tests are not deterministic"


def test_a_judge_is_narrowed_by_one_candidate_and_not_widened_by_another() -> None:
    whole = Judge("pytest", ("t.py::one", "t.py::two", "t.py::three"), (), folder=Path())
    first = evolve(whole, tests=whole.tests[:2], blocked={"t.py::three": "other"})
    second = evolve(whole, tests=(whole.tests[0], whole.tests[2]), blocked={"t.py::two": "another"})
    assert _narrowed(whole, first) == first
    assert _narrowed(first, whole) == first  # it had begun before
    both = _narrowed(first, second)
    assert (both.tests, set(both.blocked)) == (("t.py::one",), {"t.py::two", "t.py::three"})


async def test_meters_are_asked_in_time_and_comparing_is_counted(workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "_METER_EVERY", 0.0)
    asked: list[float] = []
    read, compared = Account.read, []

    async def counted(account: Account, test_seconds: float) -> Energy:
        asked.append(test_seconds)
        return await read(account, test_seconds)

    async def choose(*arguments: Any) -> Chosen:
        compared.append(await choose_among(*arguments))
        return compared[0]

    monkeypatch.setattr(Account, "read", counted)
    monkeypatch.setattr(driver, "choose_among", choose)
    engine = workspace.engine(BAD, GOOD, ALSO_GOOD)
    engine._policy = Everything(plain=2, variants=0, parents=0)
    async with engine.implement(workspace.request()) as events:
        *_, outcome = [event async for event in events]
    assert outcome.passed
    assert len(asked) > 2
    (found,) = compared
    assert found.behaviours.skipped == ""
    assert found.behaviours.cpu_seconds > 0.1  # a run of the tests, and three processes
    assert asked[-1] - asked[-2] >= found.behaviours.cpu_seconds
