"""The policy, by property: whatever candidates do, every search ends, in bounds, and never past a pass."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from engine.search import STRATEGIES, Attempt, Repair, Sample, State, decide

ENDINGS = st.sampled_from(["refused", "failed", "failed", "passed"])


@given(
    strategy=st.sampled_from(sorted(STRATEGIES)),
    limit=st.integers(1, 20),
    width=st.integers(1, 6),
    data=st.data(),
)
def test_every_search_ends_within_its_limit_and_starts_nothing_after_a_pass(strategy, limit, width, data):
    attempts: list[Attempt] = []
    for _ in range(200):
        state = State(tuple(attempts), limit, width, 0.8)
        decisions = decide(strategy, state)
        assert not decisions or not any(a.status == "passed" for a in attempts)
        for decision in decisions:
            parent = decision.parent if isinstance(decision, Repair) else None
            if parent is not None:
                assert attempts[parent - 1].status == "failed"
                assert all(a.parent != parent for a in attempts)  # each parent is repaired once
            attempts.append(Attempt(len(attempts) + 1, "sampling", parent=parent))
        assert len(attempts) <= limit
        assert sum(a.status == "sampling" for a in attempts) <= width
        running = [a for a in attempts if a.status in {"sampling", "testing"}]
        if not running:
            assert decisions == ()
            return
        chosen = data.draw(st.sampled_from(running))
        after = "testing" if chosen.status == "sampling" and data.draw(st.booleans()) else data.draw(ENDINGS)
        passed = data.draw(st.integers(0, 4))
        attempts[chosen.number - 1] = evolve(chosen, status=after, tests_passed=passed, tests_total=5)
    pytest.fail("the search did not end")


def test_every_strategy_but_plan_and_repair_starts_with_the_greedy_candidate():
    empty = State((), 8, 4, 0.8)
    for name in ("greedy", "best-of-n", "full"):
        assert decide(name, empty)[0] == Sample(0.0)
    assert decide("plan+repair", empty) == (Sample(0.8, plan=True),) * 3


def test_full_waits_for_the_greedy_candidates_verdict():
    assert decide("full", State((Attempt(1, "sampling"),), 8, 4, 0.8)) == ()
    assert decide("full", State((Attempt(1, "testing"),), 8, 4, 0.8)) == ()
    assert decide("full", State((Attempt(1, "failed", 1, 2),), 8, 4, 0.8)) == (Sample(0.8),) * 3


def test_full_repairs_first_what_is_most_easily_mended_then_what_passes_most():
    attempts = (
        Attempt(1, "failed", 1, 5),
        Attempt(2, "failed", 4, 5),
        Attempt(3, "failed", 0, 5, failed_fast=True),
        Attempt(4, "refused"),
    )
    decisions = decide("full", State(attempts, 8, 4, 0.8))
    assert [d.parent for d in decisions if isinstance(d, Repair)] == [3, 2]
