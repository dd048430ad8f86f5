"""The thread governor, against a model of the machine: a core that another program takes, and gives back."""

from __future__ import annotations

import pytest

from engine.host.governor import ThreadGovernor

QUIET = {2: 0.05, 1: 0.1}
BUSY = {2: 0.5, 1: 0.11}  # two threads on one free core: the collapse
YIELDING = {2: 0.06, 1: 0.1}  # a core in use by something that lets others pass

told = pytest.mark.parametrize("hint", [True, False], ids=["others are known", "others are not known"])


def run(
    governor: ThreadGovernor, seconds: float, times: dict[int, float], start: float, others: float | None = None
) -> tuple[int, float]:
    """Steps done in `seconds`, each taking what the machine gives that thread count; and the time it is then."""
    now, steps = start, 0
    while now - start < seconds:
        taken = times[governor.threads(4, others)]
        now += taken
        governor.learn(4, taken)
        steps += 1
    return steps, now


@told
def test_a_quiet_machine_keeps_all_its_threads(hint: bool):
    governor = ThreadGovernor(2)
    steps, _ = run(governor, 20, QUIET, 0.0, 0.05 if hint else None)
    assert governor.settled == 2
    assert steps >= 0.97 * 20 / QUIET[2]


@told
def test_a_busy_core_costs_little_more_than_one_threads_speed(hint: bool):
    governor = ThreadGovernor(2)
    _, now = run(governor, 5, QUIET, 0.0, 0.05 if hint else None)
    steps, _ = run(governor, 30, BUSY, now, 1.0 if hint else None)
    assert governor.settled == 1
    assert steps >= (0.96 if hint else 0.9) * 30 / BUSY[1]


@told
def test_the_threads_come_back_when_the_core_does(hint: bool):
    governor = ThreadGovernor(2)
    _, now = run(governor, 5, QUIET, 0.0, 0.05 if hint else None)
    _, now = run(governor, 20, BUSY, now, 1.0 if hint else None)
    run(governor, 0.5 if hint else 15, QUIET, now, 0.05 if hint else None)
    assert governor.settled == 2


@told
def test_a_start_on_a_busy_machine_finds_the_better_count(hint: bool):
    governor = ThreadGovernor(2)
    steps, _ = run(governor, 30, BUSY, 0.0, 1.0 if hint else None)
    assert steps >= 0.9 * 30 / BUSY[1]


def test_short_bursts_of_tests_are_followed_both_ways():
    governor = ThreadGovernor(2)
    now, steps, possible = 0.0, 0, 0.0
    for _ in range(10):
        for seconds, times, others in ((1.5, QUIET, 0.05), (1.0, BUSY, 1.0)):
            done, now = run(governor, seconds, times, now, others)
            steps += done
            possible += seconds / min(times.values())
    assert steps >= 0.8 * possible


def test_a_core_in_use_is_tried_all_the_same_now_and_then():
    governor = ThreadGovernor(2)
    _, now = run(governor, 5, BUSY, 0.0, 1.0)
    assert governor.settled == 1
    run(governor, 60, YIELDING, now, 1.0)
    assert governor.settled == 2


@told
def test_the_worst_collapse_that_was_seen_is_not_asked_for_often(hint: bool):
    """Two threads at a low priority on one free core: three seconds for a step of a twentieth."""
    governor = ThreadGovernor(2)
    worst = {2: 3.0, 1: 0.06}
    _, now = run(governor, 5, {2: 0.04, 1: 0.06}, 0.0, 0.05 if hint else None)
    steps, _ = run(governor, 300, worst, now, 1.0 if hint else None)
    assert steps >= (0.97 if hint else 0.85) * 300 / worst[1]


def test_a_core_that_is_known_to_be_taken_costs_no_step_to_find_out():
    governor = ThreadGovernor(2)
    run(governor, 5, QUIET, 0.0, 0.05)
    assert governor.threads(4, 1.0) == 1


def test_one_core_leaves_no_choice():
    governor = ThreadGovernor(1)
    run(governor, 5, {1: 0.1}, 0.0)
    assert governor.settled == 1


def test_cores_that_are_left_free_on_purpose_may_be_used_by_others():
    governor = ThreadGovernor(4, cores=8)
    run(governor, 5, {4: 0.1, 3: 0.13, 2: 0.2, 1: 0.4}, 0.0, 3.9)
    assert governor.settled == 4


def step_seconds(tokens: int, threads: int) -> float:
    return (0.02 + 0.015 * tokens) * 2 / threads


def test_sizes_of_steps_are_not_mixed_up():
    governor = ThreadGovernor(2)
    for tokens in [1, 64, 3, 16, 7, 66, 12, 2, 33, 1] * 4:
        governor.learn(tokens, step_seconds(tokens, governor.threads(tokens)))
    assert governor.settled == 2


def test_fewer_threads_are_not_tried_with_each_size():
    governor = ThreadGovernor(2)
    tried = 0
    for tokens in [*range(16, 0, -1)] * 5:
        threads = governor.threads(tokens)
        tried += threads == 1
        governor.learn(tokens, step_seconds(tokens, threads))
    assert tried <= 4
