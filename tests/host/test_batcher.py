"""What goes wrong in the decode thread is told to all who wait, and never leaves them waiting."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.host import batcher as batching
from engine.host.backend import Backend, BackendError, Batch, Sampling
from engine.host.batcher import Batcher
from engine.host.governor import ThreadGovernor
from engine.host.kv import KVCache
from engine.host.samples import Chunk, Sample
from engine.machine import cpus

GREEDY = Sampling(temperature=0, top_p=1, min_p=0, seed=0)


class Faulty(Backend):
    """No model: every call that would need one does nothing, except that `faults` come out of the next steps."""

    def __init__(self, *faults: Exception | None) -> None:
        self.batch = Batch(256)
        self.context_tokens, self.threads, self.parameters, self.device = 1024, 1, 0, "CPU"
        self.faults = list(faults)

    def decode(self) -> None:
        if self.faults and (fault := self.faults.pop(0)) is not None:
            raise fault

    def set_threads(self, count: int) -> None: ...
    def copy_prefix(self, source: int, target: int, length: int) -> None: ...
    def remove(self, sequence: int, start: int = 0) -> None: ...
    def save(self, sequence: int) -> bytes:
        return b"cells"

    def restore(self, sequence: int, saved: bytes) -> bool:
        return True

    def clear(self) -> None: ...
    def close(self) -> None: ...


@pytest.fixture
def start() -> Iterator[Callable[[Callable[[], Backend]], Batcher]]:
    """Makes batchers that deliver in their own thread."""
    started: list[Batcher] = []

    def make(load: Callable[[], Backend]) -> Batcher:
        started.append(Batcher(load, lambda call: call()))
        return started[-1]

    yield make
    for batcher in started:
        assert batcher.close(5)


def sample(heard: queue.Queue[Chunk], sampling: Sampling = GREEDY) -> Sample:
    return Sample([1, 2, 3], sampling, 4, (), heard.put)


@pytest.mark.parametrize("fault", [BackendError("out of memory"), ZeroDivisionError("by zero")])
def test_a_failed_step_ends_its_samples_and_the_next_ones_are_served(start, fault: Exception) -> None:
    batcher, heard = start(lambda: Faulty(fault, fault)), queue.Queue()
    batcher.submit(sample(heard))
    batcher.start()
    assert str(fault) in heard.get(timeout=5).error
    batcher.submit(sample(heard))
    assert str(fault) in heard.get(timeout=5).error
    assert batcher.stats().state == "ready"
    assert (batcher.stats().running, batcher.stats().waiting, batcher.stats().cells_used) == (0, 0, 0)


def test_samples_that_cannot_be_begun_are_all_told(start) -> None:
    batcher, heard = start(Faulty), queue.Queue()
    unfit = Sampling(temperature=None, top_p=1, min_p=0, seed=0)  # type: ignore[arg-type] # that is the point
    for sampling in (GREEDY, unfit, GREEDY):
        batcher.submit(sample(heard, sampling))
    batcher.start()
    assert all("TypeError" in heard.get(timeout=5).error for _ in range(3))
    assert heard.empty()


def test_a_sample_that_breaks_its_admission_is_not_tried_for_ever(start) -> None:
    class NoFork(Faulty):
        def copy_prefix(self, source: int, target: int, length: int) -> None:
            raise OSError("no copy")

    batcher, heard = start(NoFork), queue.Queue()
    batcher.submit(sample(heard))
    batcher.start()
    assert "no copy" in heard.get(timeout=5).error
    assert batcher.stats().waiting == 0


@pytest.mark.parametrize("fault", [BackendError("not a model"), MemoryError("too large")])
def test_a_model_that_cannot_be_loaded_is_a_state_with_its_reason(start, fault: Exception) -> None:
    def load() -> Backend:
        raise fault

    batcher = start(load)
    batcher.start()
    batcher._thread.join(5)
    assert batcher.stats().state == "failed" and str(fault) in batcher.error


def test_a_failed_recovery_ends_the_host_in_words(start) -> None:
    class Lost(Faulty):
        def clear(self) -> None:
            raise OSError("the device is gone")

    batcher, heard = start(lambda: Lost(BackendError("no step"))), queue.Queue()
    batcher.submit(sample(heard))
    batcher.start()
    assert heard.get(timeout=5).error == "no step"
    batcher._thread.join(5)
    assert batcher.stats().state == "failed" and "the device is gone" in batcher.error


def test_a_step_is_not_padded_where_its_own_tokens_take_the_last_cells(start, monkeypatch: pytest.MonkeyPatch) -> None:
    batcher, backend = start(Faulty), Faulty()
    monkeypatch.setattr(batcher._padding, "size", lambda tokens, threads: tokens + 1)
    cache = KVCache(backend, capacity=9, sequences=4, kept=1)
    sequence = cache.fork(None, 0)
    padded = []
    for position in range(8):
        backend.batch.clear()
        for _ in range(2):
            backend.batch.add(1, position, sequence.id, logits=True)
        padded.append(batcher._is_padded(backend, cache))
        cache.append(sequence, [1])
    assert padded == [True] * 7 + [False], "two tokens and one more leave room for six before them"


@pytest.mark.parametrize("quota", ["100000 100000", "max 100000"])
def test_what_neighbours_of_a_container_use_is_held_against_all_cores(
    start, quota: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are counted on every core of the mask: with the quota in its place, they would seem to use ours."""
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(cpus, "groups", lambda _controller: [(2, tmp_path)])
    monkeypatch.setattr(cpus.os, "sched_getaffinity", lambda _process: range(1000, 1008), raising=False)
    given = []

    def governor(most: int, cores: int, *, steady: bool) -> ThreadGovernor:
        given.append(ThreadGovernor(most, cores, steady=steady))
        return given[-1]

    monkeypatch.setattr(batching, "ThreadGovernor", governor)
    batcher, heard = start(Faulty), queue.Queue()
    batcher.submit(sample(heard))
    batcher.start()
    heard.get(timeout=5)
    assert [each._cores for each in given] == [8]
