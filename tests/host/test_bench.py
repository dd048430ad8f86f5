"""`greenfinch bench host`: the host beside llama.cpp without it, in one run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.bench.host import CALLS, HOST, LOOP, SLOTS
from engine.bench.results import BEST, Measured, Timed


def test_ratios_are_made_within_a_round_and_medians_over_rounds() -> None:
    rounds = [
        {HOST: Timed(40, [1.0, 2.0]), LOOP: Timed(40, [1.0, 1.0])},
        {HOST: Timed(40, [4.0, 8.0]), LOOP: Timed(40, [8.0, 8.0])},
        {HOST: Timed(40, [1.0, 1.0]), LOOP: Timed(40, [1.0, 1.0])},
    ]
    row = Measured.of(HOST, 2, rounds)
    assert row.rate == {HOST: 20, LOOP: 40}
    assert (row.first[HOST], row.last[HOST]) == (1, 2)
    assert (row.ratio, row.spread) == ({LOOP: 1}, {LOOP: (0.5, 1)})


@pytest.mark.model
@pytest.mark.slow
def test_all_kinds_are_measured_and_the_machine_is_told_without_its_paths(small_model: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("greenfinch")),
        "bench",
        "host",
        "--json",
        "--model",
        str(small_model),
    ]
    options = ["--n", "1,2", "--tokens", "4", "--repeat", "1", "--threads", "1"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=280, check=True)
    *rows, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["n"] for row in rows] == [1, 2]
    for row in rows:
        assert set(row["rate"]) == {HOST, LOOP, CALLS, SLOTS}
        assert all(rate > 0 for rate in row["rate"].values())
        assert set(row["ratio"]) == {LOOP, CALLS, SLOTS, BEST}
    assert last["machine"]["threads"] == 1
    assert str(small_model.parent) not in done.stdout
