"""The local host as a generator, with the real small model: found, started, shared, and mourned."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import anyio
import psutil
import pytest
from chat_server import eventually

from engine.config import Settings
from engine.errors import HostError
from engine.generation.base import Message, Piece, SampleRequest
from engine.generation.launch import socket_path
from engine.generation.local import LocalGenerator

pytestmark = [pytest.mark.anyio, pytest.mark.model, pytest.mark.slow]

COUNTING = SampleRequest(
    (Message("user", "Count from 1 to 1000, one number a line."),),
    prefill="\n".join(map(str, range(1, 40))) + "\n",
    max_tokens=800,
)


@pytest.fixture
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where hosts of this test meet; those that are still there are ended with it."""
    folder = Path(tempfile.mkdtemp(prefix="gf-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    for process in hosts(folder):
        process.kill()
        process.wait(10)
    shutil.rmtree(folder)


def hosts(folder: Path) -> list[psutil.Process]:
    """The host processes whose sockets lie in `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(argument.startswith(f"{folder}/") for argument in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


Make = Callable[..., LocalGenerator]


@pytest.fixture
async def make(small_model: Path, runtime_folder: Path) -> AsyncIterator[Make]:
    made: list[LocalGenerator] = []

    def make(model: Path = small_model) -> LocalGenerator:
        made.append(LocalGenerator(Settings(model=str(model), context_tokens=1024)))
        return made[-1]

    yield make
    for generator in made:
        await generator.aclose()


async def first_piece(generator: LocalGenerator) -> Piece:
    async with aclosing(generator.sample(COUNTING)) as pieces:
        return await anext(pieces)


async def test_two_windows_that_start_together_share_one_host(make: Make, runtime_folder: Path) -> None:
    windows = [make(), make()]
    async with anyio.create_task_group() as tasks:
        for window in windows:
            tasks.start_soon(window.prepare)
    infos = [await window.prepare() for window in windows]
    assert infos[0] == infos[1]
    assert infos[0].where.startswith("this machine")
    assert [process.pid for process in hosts(runtime_folder)] == [int(infos[0].details["host_pid"])]
    assert (await windows[0].cpu_seconds() or 0) > 0
    assert (await first_piece(windows[1])).tokens == 1


async def test_a_host_killed_while_sampling_is_an_error_and_then_started_afresh(make: Make) -> None:
    generator = make()
    info = await generator.prepare()
    with pytest.raises(HostError, match="died"):
        async with aclosing(generator.sample(COUNTING)) as pieces:
            await anext(pieces)
            os.kill(int(info.details["host_pid"]), signal.SIGKILL)
            async for _piece in pieces:
                pass
    again = await generator.prepare()
    assert again.details["host_pid"] != info.details["host_pid"]
    assert (await first_piece(generator)).tokens == 1


async def test_a_host_that_ended_between_two_samples_is_not_noticed(make: Make) -> None:
    generator = make()
    info = await generator.prepare()
    host = psutil.Process(int(info.details["host_pid"]))
    host.terminate()
    await eventually(lambda: not host.is_running(), seconds=10)
    assert (await first_piece(generator)).tokens == 1


async def test_a_truncated_model_is_an_error_that_says_so(make: Make, small_model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    with small_model.open("rb") as whole:
        broken.write_bytes(whole.read(20_000_000))
    with pytest.raises(HostError, match=r"cannot load .*broken\.gguf"):
        await make(broken).prepare()


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
