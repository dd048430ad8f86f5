"""Steps are padded where that is quicker, which is found out as they come."""

from __future__ import annotations

import pytest

from engine.host.padding import Padding

IN_GROUPS = {3: 0.120, 4: 0.100, 5: 0.150, 6: 0.125, 7: 0.158, 8: 0.160}
EACH = {size: 0.04 * size for size in range(1, 17)}


def run(
    padding: Padding, tokens: int, steps: int, times: dict[int, float], threads: int = 2
) -> tuple[float, list[int]]:
    """Seconds of so many steps, and the sizes they had."""
    sizes = []
    for _ in range(steps):
        size = padding.size(tokens, threads)
        padding.learn(size, threads, times[size])
        sizes.append(size)
    return sum(times[size] for size in sizes), sizes


@pytest.mark.parametrize("tokens", [3, 5])
def test_a_step_is_padded_where_that_is_quicker(tokens: int) -> None:
    seconds, sizes = run(Padding(), tokens, 500, IN_GROUPS)
    assert sizes.count(tokens + 1) > 480
    assert seconds < 1.02 * 500 * IN_GROUPS[tokens + 1]


@pytest.mark.parametrize(("tokens", "times"), [(7, IN_GROUPS), (3, EACH), (4, EACH)])
def test_a_step_is_left_as_it_is_where_that_is_as_quick(tokens: int, times: dict[int, float]) -> None:
    seconds, sizes = run(Padding(), tokens, 500, times)
    assert sizes.count(tokens) > 480
    assert seconds < 1.02 * 500 * times[tokens]


def test_one_slow_step_changes_nothing_for_long() -> None:
    padding = Padding()
    run(padding, 3, 50, IN_GROUPS)
    padding.learn(4, 2, 5.0)
    _, sizes = run(padding, 3, 50, IN_GROUPS)
    assert sizes.count(4) > 45


def test_what_holds_is_found_out_again_when_the_machine_changes() -> None:
    padding = Padding()
    run(padding, 3, 100, IN_GROUPS)
    _, sizes = run(padding, 3, 2000, EACH)
    assert sizes[-200:].count(3) > 190
    _, sizes = run(padding, 3, 3000, IN_GROUPS)
    assert sizes[-200:].count(4) > 190


def test_each_count_of_threads_has_times_of_its_own() -> None:
    padding = Padding()
    run(padding, 3, 50, IN_GROUPS, threads=2)
    _, sizes = run(padding, 3, 500, EACH, threads=1)
    assert sizes.count(3) > 480


@pytest.mark.parametrize("tokens", [1, 2, 16, 300])
def test_other_steps_are_as_they_are(tokens: int) -> None:
    assert Padding().size(tokens, 2) == tokens
