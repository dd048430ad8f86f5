"""Cores are shared between generation and tests: what a container may use counts, and tests leave most to the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.machine import cpus as cores


@pytest.mark.parametrize(("there_are", "at_once"), [(1, 1), (2, 1), (4, 1), (8, 2), (16, 4)])
def test_tests_take_a_quarter_of_the_cores_and_never_none(there_are: int, at_once: int) -> None:
    assert cores.workers_for_tests(there_are) == at_once


@pytest.mark.parametrize(
    ("limit", "usable"), [("150000 100000", 1), ("50000 100000", 1), ("200000 100000", 2), ("max 100000", 4)]
)
def test_a_containers_limit_counts(limit: str, usable: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text(limit)
    monkeypatch.setattr(cores, "groups", lambda _controller: [(2, tmp_path)])
    monkeypatch.setattr(cores, "physical_cores", lambda: 4)
    assert cores.usable_cores() == usable
