"""The local host as a generator, with the real small model: found, started and shared."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import anyio
import psutil
import pytest
from chat_server import eventually
from local_hosts import COUNTING, hosts

from engine.config import Settings
from engine.generation import launch, local
from engine.generation.base import Piece
from engine.generation.launch import socket_path
from engine.generation.local import LocalGenerator

pytestmark = [pytest.mark.anyio, pytest.mark.model, pytest.mark.slow]

Make = Callable[..., LocalGenerator]


async def first_piece(generator: LocalGenerator) -> Piece:
    async with aclosing(generator.sample(COUNTING)) as pieces:
        return await anext(pieces)


@pytest.mark.parametrize("loopback", [False, True], ids=["socket", "loopback"])
async def test_two_windows_that_start_together_share_one_host(
    make: Make, runtime_folder: Path, monkeypatch: pytest.MonkeyPatch, loopback: bool
) -> None:
    monkeypatch.setattr(launch, "LOOPBACK", loopback)
    windows = [make(), make()]
    async with anyio.create_task_group() as tasks:
        for window in windows:
            tasks.start_soon(window.prepare)
    infos = [await window.prepare() for window in windows]
    assert infos[0] == infos[1]
    assert infos[0].where.startswith("this machine")
    assert 4e8 < infos[0].parameters < 7e8
    assert [process.pid for process in hosts(runtime_folder)] == [int(infos[0].details["host_pid"])]
    work = await windows[0].work()
    assert work and work.cpu_seconds > 0
    assert (await first_piece(windows[1])).tokens == 1


async def test_hosts_that_end_between_two_samples_are_not_noticed_however_often(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they do with a short time without work, and tests that take longer: that is no reason to give up."""
    monkeypatch.setattr(local, "MOST_LOST", 2)
    generator = make()
    ended = set()
    for _ in range(3):
        host = psutil.Process(int((await generator.prepare()).details["host_pid"]))
        host.terminate()
        await eventually(lambda host=host: not host.is_running(), seconds=10)
        ended.add(host.pid)
        assert (await first_piece(generator)).tokens == 1
    assert len(ended) == 3


def test_the_socket_depends_on_all_that_makes_hosts_differ(runtime_folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "a.gguf"
    model.write_bytes(b"GGUF")
    paths = {
        socket_path(model, Settings()),
        socket_path(model, Settings(context_tokens=4096)),
        socket_path(model, Settings(threads=3)),
    }
    model.write_bytes(b"GGUF, another")
    paths.add(socket_path(model, Settings()))
    assert len(paths) == 4
    assert {path.parent for path in paths} == {runtime_folder / "greenfinch"}
    assert socket_path(model, Settings(temperature=0.1)) in paths


def test_the_hosts_folder_is_closed_to_others(runtime_folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "a.gguf"
    model.write_bytes(b"GGUF")
    (runtime_folder / "greenfinch").mkdir(mode=0o755)
    assert socket_path(model, Settings()).parent.stat().st_mode & 0o777 == 0o700


def test_a_runtime_folder_with_too_long_a_path_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    model = tmp_path / "a.gguf"
    model.write_bytes(b"GGUF")
    path = socket_path(model, Settings())
    assert len(os.fsencode(path)) <= 100
    assert path.parent.stat().st_mode & 0o777 == 0o700
