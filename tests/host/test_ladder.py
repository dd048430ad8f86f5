"""How many layers the next host puts on the GPU, after the last one has lost it there, or has not."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from engine.host.ladder import RETRY_SECONDS, GpuLadder


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "host.sock"


def test_all_layers_first_then_fewer_and_none_at_last(socket: Path) -> None:
    assert GpuLadder(socket).rungs(25) == (25, 19, 12, 6, 0)
    assert GpuLadder(socket).rungs(1) == (1, 0)


def test_a_host_that_ends_in_order_leaves_no_mark(socket: Path) -> None:
    ladder = GpuLadder(socket)
    ladder.mark(in_use=True)
    ladder.mark(in_use=False)
    assert list(socket.parent.iterdir()) == []
    assert GpuLadder(socket).losses == 0


def test_after_a_loss_half_the_layers_are_tried_and_after_a_second_one_none(socket: Path) -> None:
    for losses, rungs in ((0, (25, 19, 12, 6, 0)), (1, (12, 6, 0)), (2, (0,)), (3, (0,))):
        ladder = GpuLadder(socket)
        assert (ladder.losses, ladder.rungs(25)) == (losses, rungs)
        ladder.mark(in_use=True)


def test_a_loss_is_remembered_by_those_that_end_in_order_too_but_not_for_ever(
    socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    GpuLadder(socket).mark(in_use=True)
    GpuLadder(socket).mark(in_use=False)
    assert GpuLadder(socket).losses == 1
    later = time.time() + RETRY_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert GpuLadder(socket).rungs(25)[0] == 25


@pytest.mark.parametrize(
    "text", ["", "{", "[]", json.dumps({"in_use": True}), json.dumps({"in_use": 1, "lost": ["x"]})]
)
def test_half_a_mark_is_none(socket: Path, text: str) -> None:
    socket.with_suffix(".gpu").write_text(text)
    assert GpuLadder(socket).losses == 0
