"""How many layers the next host puts on the GPU, after the last one has lost it there, or has not."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import psutil
import pytest

from engine.host import ladder as ladders
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


def test_a_host_that_was_killed_long_ago_has_lost_nothing_now(socket: Path) -> None:
    GpuLadder(socket).mark(in_use=True)
    days_ago = time.time() - 3 * 86400
    os.utime(socket.with_suffix(".gpu"), (days_ago, days_ago))
    assert GpuLadder(socket).losses == 0


def test_what_ended_with_the_machine_is_no_loss(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    GpuLadder(socket).mark(in_use=True)
    assert GpuLadder(socket).losses == 1
    monkeypatch.setattr(psutil, "boot_time", lambda: time.time() + 1)
    assert GpuLadder(socket).losses == 0


def test_a_gpu_that_is_lost_after_hours_of_use_was_lost_just_now(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ladder, mark = GpuLadder(socket), socket.with_suffix(".gpu")
    ladder.mark(in_use=True)
    hours_ago = time.time() - 7200
    os.utime(mark, (hours_ago, hours_ago))
    ladder.renew()
    assert mark.stat().st_mtime == pytest.approx(hours_ago), "it is renewed now and then only"
    monkeypatch.setattr(ladders, "RENEW_SECONDS", 0.0)
    ladder.renew()
    assert GpuLadder(socket).losses == 1
    ladder.mark(in_use=False)
    ladder.renew()
    assert not mark.exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", json.dumps({"in_use": True}), json.dumps({"in_use": 1, "lost": ["x"]})]
)
def test_half_a_mark_is_none(socket: Path, text: str) -> None:
    socket.with_suffix(".gpu").write_text(text)
    assert GpuLadder(socket).losses == 0
