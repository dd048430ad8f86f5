"""A prompt that is read for samples to come: it gives way to all others, and nothing of it is read twice."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Iterator

import numpy
import pytest
from test_batcher import GREEDY, Faulty

from engine.host.backend import Batch
from engine.host.batcher import Batcher
from engine.host.samples import Chunk, Sample

LONG = list(range(1000, 1300))
SHORT = [1, 2, 3]
SECONDS = 60  # for what takes none


class Noted(Batch):
    """A batch that can be read."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.tokens: list[int] = []

    def clear(self) -> None:
        super().clear()
        self.tokens = []

    def add(self, token: int, position: int, sequence: int, *, logits: bool = False) -> int:
        self.tokens.append(token)
        return super().add(token, position, sequence, logits=logits)


class Stepwise(Faulty):
    """No model either: it draws token 7 each time, and takes a step when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.batch = self.noted = Noted(256)
        self.steps: queue.Queue[list[int]] = queue.Queue()
        self._go = threading.Semaphore(0)

    def decode(self) -> None:
        self.steps.put(self.noted.tokens)
        assert self._go.acquire(timeout=SECONDS)

    def go(self, steps: int = 1) -> None:
        self._go.release(steps)

    def logits(self, index: int) -> numpy.ndarray:
        return numpy.eye(8, dtype=numpy.float32)[7]

    def ends_generation(self, token: int) -> bool:
        return False

    def piece(self, token: int) -> bytes:
        return b"x"


@pytest.fixture
def backend() -> Stepwise:
    return Stepwise()


@pytest.fixture
def batcher(backend: Stepwise) -> Iterator[Batcher]:
    made = Batcher(lambda: backend, lambda call: call())
    made.start()
    yield made
    backend.go(1000)
    assert made.close(SECONDS)


class Heard:
    """A sample, and what it brings."""

    def __init__(self, batcher: Batcher, prompt: list[int], max_tokens: int) -> None:
        self.chunks: queue.Queue[Chunk] = queue.Queue()
        self.sample = Sample(list(prompt), GREEDY, max_tokens, (), self.chunks.put)
        batcher.submit(self.sample)

    def end(self) -> Chunk:
        while (chunk := self.chunks.get(timeout=SECONDS)).finish is None:
            assert chunk.error is None
        return chunk


def rest(backend: Stepwise) -> list[int]:
    """The tokens of all steps that nobody has looked at yet."""
    return [token for _ in range(backend.steps.qsize()) for token in backend.steps.get()]


def test_its_end_is_told_and_nothing_is_sampled(backend: Stepwise, batcher: Batcher) -> None:
    reading = Heard(batcher, LONG, 0)
    backend.go(1000)
    assert reading.end() == Chunk(finish="length")
    assert rest(backend) == LONG
    assert (batcher.stats().tokens_sampled, batcher.stats().running, batcher.stats().prompts_kept) == (0, 0, 1)


def test_a_sample_that_comes_later_goes_first_and_nothing_is_read_twice(backend: Stepwise, batcher: Batcher) -> None:
    reading = Heard(batcher, LONG, 0)
    first = backend.steps.get(timeout=SECONDS)
    assert first == LONG[: len(first)] != LONG
    sample = Heard(batcher, SHORT, 3)
    backend.go(5)
    assert sample.end().tokens == 3
    steps = [backend.steps.get(timeout=SECONDS) for _ in range(4)]
    assert steps == [SHORT[:2], SHORT[2:], [7], [7]]
    backend.go(1000)
    reading.end()
    assert first + rest(backend) == LONG


def test_it_is_not_begun_while_a_sample_is_under_way(backend: Stepwise, batcher: Batcher) -> None:
    sample = Heard(batcher, SHORT, 5)
    backend.steps.get(timeout=SECONDS)
    reading = Heard(batcher, LONG, 0)
    backend.go(6)
    sample.end()
    assert [backend.steps.get(timeout=SECONDS) for _ in range(5)] == [SHORT[2:], [7], [7], [7], [7]]
    backend.go(1000)
    reading.end()


def test_a_sample_of_the_same_prompt_goes_on_with_it(backend: Stepwise, batcher: Batcher) -> None:
    reading = Heard(batcher, LONG, 0)
    first = backend.steps.get(timeout=SECONDS)
    sample, other = Heard(batcher, LONG, 1), Heard(batcher, SHORT, 1)
    backend.go(1000)
    assert (reading.end().tokens, sample.end().tokens, other.end().tokens) == (0, 1, 1)
    assert [token for token in first + rest(backend) if token >= LONG[0]] == LONG


def test_what_was_read_until_it_was_cancelled_is_known(backend: Stepwise, batcher: Batcher) -> None:
    reading = Heard(batcher, LONG, 0)
    first = backend.steps.get(timeout=SECONDS)
    batcher.cancel(reading.sample)
    backend.go(1000)
    sample = Heard(batcher, LONG, 1)
    sample.end()
    assert sample.sample.cached_tokens == len(first)
    assert first + rest(backend) == LONG


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_and_goes_every_sample_has_its_end(backend: Stepwise, batcher: Batcher, seed: int) -> None:
    """Prompts that begin alike, in a cache that holds about three of them; some are given up."""
    chance = random.Random(seed)
    prompts = [[*range(family, family + 150), *range(length)] for family in (100, 400) for length in (20, 130)]
    waiting: list[Heard] = []
    for _ in range(24):
        waiting.append(Heard(batcher, chance.choice(prompts), chance.choice((0, 0, 1, 5))))
        if chance.random() < 0.25:
            batcher.cancel(waiting.pop(chance.randrange(len(waiting))).sample)
        backend.go(chance.choice((1, 1, 3)))
    backend.go(100_000)
    for each in waiting:
        assert each.end().tokens == each.sample.max_tokens
    end = time.monotonic() + SECONDS
    while (stats := batcher.stats()).running or stats.waiting:  # those that were given up
        assert time.monotonic() < end
        time.sleep(0.001)
    assert stats.cells_used <= backend.context_tokens
