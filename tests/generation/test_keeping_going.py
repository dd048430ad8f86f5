"""What goes on when a part fails: another endpoint or this machine, fewer layers on the GPU, none, another model."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from attrs import evolve
from chat_server import eventually
from faulty_gpu import gpu
from host.host_process import HostProcess
from local_hosts import COUNTING
from promises.workspace import Workspace

from engine.config import Settings
from engine.errors import HostError, ModelError
from engine.events import CandidateRejected, WentOn
from engine.generation.base import Generator
from engine.generation.factory import make_generator
from engine.generation.local import LocalGenerator
from engine.models import catalogue
from engine.models.catalogue import Catalogue
from engine.session import Engine

pytestmark = [pytest.mark.anyio, pytest.mark.model, pytest.mark.slow]

Make = Callable[..., LocalGenerator]
Inject = Callable[..., list["subprocess.Popen[bytes]"]]
SHORT = evolve(COUNTING, prefill="1\n2\n3\n", max_tokens=24)


async def heard(generator: Generator, then: Callable[[], None] = lambda: None) -> list[str]:
    """The notes of a sample, which has to come whole: numbers in order, none twice and none left out.

    Args:
        then: called after the third piece.
    """
    text, notes, finish, count = "", [], None, 0
    async with aclosing(generator.sample(SHORT)) as pieces:
        async for piece in pieces:
            text += piece.text
            notes += [piece.note] if piece.note else []
            finish = piece.finish
            count += 1
            if count == 3:
                then()
    numbers = [int(number) for number in re.findall(r"\d+(?=\n)", text)]  # the last one may be cut off
    assert finish == "length" and len(numbers) > 3
    assert numbers == list(range(4, 4 + len(numbers)))
    return notes


async def test_a_gpu_without_room_for_all_layers_gets_fewer(make: Make, inject: Inject) -> None:
    inject(gpu(room=20))
    info = await make().prepare()
    assert info.fallback == "19 of 25 layers on the GPU, where no more could be loaded"
    assert "llama.cpp, GPU, 19 of 25" in info.where


async def test_a_gpu_that_takes_nothing_leaves_the_cpu(make: Make, inject: Inject) -> None:
    inject(gpu(room=0))
    generator = make()
    info = await generator.prepare()
    assert info.fallback == "none of 25 layers on the GPU, where no more could be loaded"
    assert "llama.cpp, CPU" in info.where
    assert await heard(generator) == []


async def test_a_gpu_that_takes_the_process_along_while_loading_gets_fewer_layers(make: Make, inject: Inject) -> None:
    started = inject(gpu(room=12, crashes_at_load=True))
    info = await make().prepare()
    assert info.fallback == "12 of 25 layers on the GPU, which was lost"
    assert [process.poll() for process in started] == [-signal.SIGABRT, None]


@pytest.mark.parametrize("lost", ["code", "crash"])
async def test_a_gpu_lost_in_mid_decode_costs_that_attempt_only(make: Make, inject: Inject, lost: str) -> None:
    """It is lost twice: with all layers on it, and with half of them; what was said stays said."""
    started = inject(gpu(steps=12, lost=lost))
    generator = make()
    assert await heard(generator) == [
        "the model host was lost and started afresh: 12 of 25 layers on the GPU, which was lost",
        "the model host was lost and started afresh: none of 25 layers on the GPU, which was lost",
    ]
    assert len(started) == 3 and started[-1].poll() is None
    assert await heard(generator) == [], "the next one is sampled without any loss"


async def test_a_gpu_that_works_for_hours_is_said_to_be_in_use_all_the_time(
    make: Make, inject: Inject, runtime_folder: Path
) -> None:
    inject(gpu() + "\nfrom engine.host import ladder\nladder.RENEW_SECONDS = 0.0")
    await make().prepare()
    (mark,) = runtime_folder.rglob("*.gpu")  # noqa: ASYNC240 - a small folder
    os.utime(mark, (0, 0))
    await eventually(lambda: mark.stat().st_mtime > 0, seconds=10)


async def test_a_run_whose_gpu_is_lost_loses_no_candidate_and_says_so(
    inject: Inject, runtime_folder: Path, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENFINCH_RUNS", str(tmp_path / "runs"))
    inject(gpu(steps=10))
    workspace = Workspace(tmp_path)
    options = {"model": str(small_model), "python": sys.executable, "candidates": 1}
    engine = Engine(Settings().updated(options, source="test"))
    events = []
    try:
        async with engine.implement(evolve(workspace.request(), seed=1)) as stream:
            events = [event async for event in stream]
    finally:
        await engine.aclose()
    outcome = events[-1]
    told = [event.how for event in events if isinstance(event, WentOn)]
    assert "12 of 25 layers on the GPU, which was lost" in told[0]
    assert outcome.went_on == tuple(told)
    assert not [e.reason for e in events if isinstance(e, CandidateRejected) and "sampling failed" in e.reason]


@pytest.fixture
def endpoint(small_model: Path) -> Iterator[HostProcess]:
    folder = Path(tempfile.mkdtemp(prefix="gf-"))
    process = HostProcess(small_model, folder / "host.sock", "--context", "1024")
    process.wait_for(lambda health: health["status"] == "ok", seconds=120)
    yield process
    process.end()
    shutil.rmtree(folder)


async def test_the_last_endpoint_killed_in_mid_stream_leaves_its_sample_to_this_machine(
    endpoint: HostProcess, small_model: Path, runtime_folder: Path
) -> None:
    name = f"unix:{endpoint.socket}"
    here = Settings(endpoints=(name,), model="auto", context_tokens=1024)
    async with aclosing(make_generator(here)) as generator:
        info = await generator.prepare()
        assert info.fallback == ""
        notes = await heard(generator, endpoint.process.kill)
    assert notes == [f"{name} was lost", f"this machine, in place of {name}"]


class Better:
    """A second model, which `auto` prefers: the small one's file under another name."""

    def __init__(self, folder: Path, small_model: Path) -> None:
        self.file = folder / "better.gguf"
        self._size = small_model.stat().st_size
        (folder / small_model.name).symlink_to(small_model)
        try:
            os.link(small_model, self.file)  # a link would be followed, and be the same model
        except OSError:  # on another file system
            shutil.copyfile(small_model, self.file)

    def damage(self) -> None:
        self.file.unlink()
        self.file.write_bytes(b"GGUF" + b"\xff" * 60)
        os.truncate(self.file, self._size)


@pytest.fixture
def better(tmp_path: Path, small_model: Path, runtime_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Better:
    small = catalogue.load().entry("qwen2.5-coder-0.5b")
    entries = (small, evolve(small, name="better", file="better.gguf", rank=9))
    monkeypatch.setattr(catalogue, "load", lambda: Catalogue(small.name, entries))
    monkeypatch.setenv("GREENFINCH_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Better(tmp_path, small_model)


@pytest.fixture
async def auto(better: Better) -> AsyncIterator[LocalGenerator]:
    async with aclosing(LocalGenerator(Settings(context_tokens=1024))) as generator:
        yield generator


async def test_a_damaged_model_gives_way_to_another_unless_it_was_named(better: Better, auto: LocalGenerator) -> None:
    better.damage()
    info = await auto.prepare()
    assert info.fallback == "qwen2.5-coder-0.5b in place of better"
    assert "better could not be used: The model host could not be started" in info.where
    async with aclosing(LocalGenerator(Settings(model="better", context_tokens=1024))) as named:
        with pytest.raises(HostError, match=r"better\.gguf"):
            await named.prepare()


async def test_a_model_without_the_memory_for_it_gives_way_to_another(auto: LocalGenerator, inject: Inject) -> None:
    """A real limit, which loading runs into: of the address space, in which the weights have no room."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (450_000_000, 450_000_000))"
    inject(limit, model="better")
    assert (await auto.prepare()).fallback == "qwen2.5-coder-0.5b in place of better"


async def test_a_model_that_kills_its_host_gives_way_in_mid_run(auto: LocalGenerator, inject: Inject) -> None:
    started = inject("import os; from engine.host import backend; backend.Backend.decode = lambda _: os.abort()",
                     model="better")  # fmt: skip
    assert (await auto.prepare()).model == "better"
    assert (await heard(auto))[-1].endswith("qwen2.5-coder-0.5b in place of better")
    assert len(started) == 3


async def test_a_model_file_removed_in_mid_run_costs_nothing_until_its_host_is_lost(
    better: Better, auto: LocalGenerator
) -> None:
    info = await auto.prepare()
    assert info.model == "better"
    better.file.unlink()
    assert await heard(auto) == []
    notes = await heard(auto, lambda: os.kill(int(info.details["host_pid"]), signal.SIGKILL))
    assert notes == ["the model host was lost and started afresh: qwen2.5-coder-0.5b in place of better"]


async def test_a_named_model_whose_file_is_gone_ends_with_the_remedy(better: Better) -> None:
    async with aclosing(LocalGenerator(Settings(model="better", context_tokens=1024))) as named:
        info = await named.prepare()
        better.file.unlink()
        with pytest.raises(ModelError) as caught:
            await heard(named, lambda: os.kill(int(info.details["host_pid"]), signal.SIGKILL))
    assert "greenfinch models pull better" in caught.value.remedy
