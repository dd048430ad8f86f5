"""The thread governor, against a model of the machine: a core that another program takes, and gives back."""

from engine.host.governor import ThreadGovernor


def run(governor: ThreadGovernor, seconds: float, step_times: dict[int, float], start: float) -> tuple[int, float]:
    """Steps done in `seconds`, each taking what the machine gives that thread count; and the time it is then."""
    now, steps = start, 0
    while now - start < seconds:
        taken = step_times[governor.threads(4, now)]
        now += taken
        governor.learn(4, taken, now)
        steps += 1
    return steps, now


QUIET = {2: 0.05, 1: 0.1}
BUSY = {2: 0.5, 1: 0.11}  # two threads on one free core: the collapse


def test_a_quiet_machine_keeps_all_its_threads():
    governor = ThreadGovernor(2)
    steps, _ = run(governor, 20, QUIET, 0.0)
    assert governor.settled == 2
    assert steps >= 0.97 * 20 / QUIET[2]


def test_a_busy_core_costs_little_more_than_one_threads_speed():
    governor = ThreadGovernor(2)
    _, now = run(governor, 5, QUIET, 0.0)
    steps, _ = run(governor, 30, BUSY, now)
    assert governor.settled == 1
    assert steps >= 0.85 * 30 / BUSY[1]


def test_the_threads_come_back_when_the_core_does():
    governor = ThreadGovernor(2)
    _, now = run(governor, 5, QUIET, 0.0)
    _, now = run(governor, 20, BUSY, now)
    run(governor, 10, QUIET, now)
    assert governor.settled == 2


def test_a_start_on_a_busy_machine_finds_the_better_count():
    governor = ThreadGovernor(2)
    steps, _ = run(governor, 30, BUSY, 0.0)
    assert steps >= 0.85 * 30 / BUSY[1]


def test_one_core_leaves_no_choice():
    governor = ThreadGovernor(1)
    run(governor, 5, {1: 0.1}, 0.0)
    assert governor.settled == 1


def test_sizes_of_steps_are_not_mixed_up():
    governor = ThreadGovernor(2)
    now = 0.0
    for tokens, seconds in [(1, 0.02), (64, 0.7), (1, 0.02), (64, 0.7)] * 5:
        governor.threads(tokens, now)
        now += seconds
        governor.learn(tokens, seconds, now)
    assert governor.settled == 2
