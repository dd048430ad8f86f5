"""The host dies, hangs, or cannot begin: a run goes on where it can, and else ends with what to do about it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from anyio import to_thread
from attrs import evolve
from local_hosts import COUNTING, client, hosts

from engine.errors import HostError
from engine.generation import launch, local
from engine.generation.base import Piece, SampleRequest
from engine.generation.local import LocalGenerator

pytestmark = [pytest.mark.anyio, pytest.mark.model, pytest.mark.slow]

Make = Callable[..., LocalGenerator]
SHORT = evolve(COUNTING, max_tokens=40, seed=7)


async def text(pieces: AsyncGenerator[Piece, None]) -> str:
    async with aclosing(pieces):
        return "".join([piece.text async for piece in pieces])


async def interrupted(generator: LocalGenerator, request: SampleRequest, interrupt: Callable[[], None]) -> str:
    """A sample's text; `interrupt` is called after its third piece."""
    said = ""
    async with aclosing(generator.sample(request)) as pieces:
        count = 0
        async for piece in pieces:
            said += piece.text
            count += 1
            if count == 3:
                interrupt()
    return said


@pytest.mark.parametrize("loopback", [False, True], ids=["socket", "loopback"])
async def test_a_host_killed_in_mid_stream_is_replaced_and_the_sample_is_the_same(
    make: Make, monkeypatch: pytest.MonkeyPatch, loopback: bool
) -> None:
    monkeypatch.setattr(launch, "LOOPBACK", loopback)
    generator = make()
    undisturbed = await text(generator.sample(SHORT))
    pid = int((await generator.prepare()).details["host_pid"])
    spent = await generator.work()
    assert await interrupted(generator, SHORT, lambda: os.kill(pid, signal.SIGKILL)) == undisturbed
    assert (await generator.prepare()).details["host_pid"] != str(pid)
    total = await generator.work()
    assert spent and total and total.cpu_seconds > spent.cpu_seconds, "what the dead host used is not forgotten"


async def test_all_samples_under_way_survive_together_and_one_host_is_started(make: Make, runtime_folder: Path) -> None:
    generator = make()
    pid = int((await generator.prepare()).details["host_pid"])
    texts: dict[int, str] = {}

    async def sample(seed: int) -> None:
        texts[seed] = await text(generator.sample(evolve(SHORT, seed=seed, max_tokens=30)))

    async with anyio.create_task_group() as tasks:
        for seed in range(6):
            tasks.start_soon(sample, seed)
        await anyio.sleep(0.5)
        os.kill(pid, signal.SIGKILL)
    assert len(texts) == 6 and all(texts.values())
    assert len(hosts(runtime_folder)) == 1


async def test_a_host_that_hangs_is_killed_and_replaced(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "SILENCE_SECONDS", 6.0)
    monkeypatch.setattr(local, "HEALTH_SECONDS", 2.0)
    generator = make()
    pid = int((await generator.prepare()).details["host_pid"])
    said = await interrupted(generator, SHORT, lambda: os.kill(pid, signal.SIGSTOP))
    assert said
    assert not psutil.pid_exists(pid)


async def test_a_host_that_always_dies_is_given_up_with_its_last_words(
    make: Make, inject: Callable[..., list[subprocess.Popen[bytes]]]
) -> None:
    started = inject(
        "import os; from engine.host import backend\n"
        "def decode(self):\n    os.write(2, b'GGML_ASSERT(false) failed\\n'); os.abort()\n"
        "backend.Backend.decode = decode"
    )
    generator = make()
    for _ in range(3):
        with pytest.raises(HostError, match="GGML_ASSERT"):
            await text(generator.sample(SHORT))
    for process in started:
        process.kill()
        process.wait()
    assert len(started) <= 3 + local.MOST_LOST, "one candidate after another does not start hosts for ever"


async def test_a_truncated_model_is_an_error_that_says_so(make: Make, small_model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    with small_model.open("rb") as whole:
        broken.write_bytes(whole.read(20_000_000))
    with pytest.raises(HostError, match=r"broken\.gguf is cut off: it has 20,000,000 bytes") as caught:
        await make(broken).prepare()
    assert f"replace the file {broken}" in caught.value.remedy


async def test_a_model_with_a_damaged_head_is_an_error_that_names_it(
    make: Make, small_model: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    with small_model.open("rb") as whole:
        head = bytearray(whole.read(10_000))
    head[24:32] = b"\xff" * 8  # the length of the first key
    broken.write_bytes(head)
    with pytest.raises(HostError, match=r"broken\.gguf is damaged"):
        await make(broken).prepare()


async def test_a_killed_clients_slots_are_free_within_a_second(make: Make, small_model: Path) -> None:
    """Or, where steps take longer than that because the machine is busy, with the step after the one under way."""
    generator = make()
    await generator.prepare()
    host = generator._connection.client  # type: ignore[union-attr] # `prepare` has set it

    async def health(condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        with anyio.fail_after(60):
            while not condition(found := (await host.get("http://localhost/health")).json()):  # noqa: ASYNC110 - polled
                await anyio.sleep(0.02)
        return dict(found)

    process = await to_thread.run_sync(client, small_model, 3)
    before = await health(lambda found: found["running"] == 3)
    process.kill()
    killed = time.monotonic()
    after = await health(lambda found: found["running"] == 0)
    assert time.monotonic() - killed < 1 or after["steps"] - before["steps"] <= 2
    assert after["waiting"] == 0
    process.communicate()


async def test_a_second_window_is_a_second_process_and_not_a_second_host(
    make: Make, small_model: Path, runtime_folder: Path
) -> None:
    windows = [await to_thread.run_sync(client, small_model, 1) for _ in range(2)]
    said = []
    for window in windows:
        assert window.stdout is not None
        lines = iter(window.stdout.readline, "done\n")
        said.append(await to_thread.run_sync(lambda lines=lines: list(lines)))
    assert said[0][0] == said[1][0]
    assert all(lines.count("piece\n") > 10 for lines in said)
    assert [f"host {process.pid}\n" for process in hosts(runtime_folder) if process.pid not in _pids(windows)] == [
        said[0][0]
    ]
    assert all(psutil.Process(window.pid).memory_info().rss < 120e6 for window in windows)
    for window in windows:
        window.communicate()


def _pids(windows: list[subprocess.Popen[str]]) -> set[int]:
    return {window.pid for window in windows}
