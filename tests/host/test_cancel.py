"""Cancelled means now: with sixteen samples in each step, no token is decoded after the step that was under way."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from host_process import HostProcess

from engine.host.backend import Backend, Sampling
from engine.host.batcher import SEQUENCES, Batcher
from engine.host.prompt import encode_chat
from engine.host.samples import Chunk, Sample

pytestmark = [pytest.mark.model, pytest.mark.slow]

N = 16
PROMPT = "Count from 1 to 1000, one number a line."


@pytest.fixture(scope="module")
def batcher(small_model: Path) -> Iterator[Batcher]:
    """With the real model, in this process: here the moment of a cancel is known exactly."""
    made = Batcher(
        lambda: Backend(small_model, context_tokens=4096, threads=1, sequences=SEQUENCES), lambda call: call()
    )
    made.start()
    yield made
    assert made.close(60)


def test_after_a_cancel_of_all_only_the_step_under_way_ends(batcher: Batcher) -> None:
    tokens = [0] * N
    decoding, cancelled, heard_since = threading.Event(), threading.Event(), []

    def sink(index: int, chunk: Chunk) -> None:
        if cancelled.is_set():
            heard_since.append(index)
        tokens[index] = chunk.tokens
        if min(tokens) >= 3:
            decoding.set()

    while batcher.backend is None:
        assert not batcher.error
        decoding.wait(0.05)
    prompt = encode_chat(batcher.backend, [("user", PROMPT)])
    samples = [
        Sample(prompt, Sampling(0.8, 0.95, 0, seed), 200, (), lambda chunk, seed=seed: sink(seed, chunk))
        for seed in range(N)
    ]
    for sample in samples:
        batcher.submit(sample)
    assert decoding.wait(120)
    for sample in samples:
        batcher.cancel(sample)
    cancelled.set()
    steps = batcher.stats().steps
    while batcher.stats().running:
        time.sleep(0.02)
    assert batcher.stats().steps - steps <= 1
    assert not heard_since, "what that step brought is not passed on"
    assert batcher.stats().cells_used == len(prompt), "nothing of them is left but the prompt, kept for later"


async def _stream(client: httpx.AsyncClient, seed: int, begun: asyncio.Semaphore) -> None:
    body = {"messages": [{"role": "user", "content": PROMPT}], "seed": seed, "max_tokens": 90, "stream": True}
    async with client.stream("POST", "/v1/chat/completions", json=body) as reply:
        lines = 0
        async for line in reply.aiter_lines():
            if line.startswith("data: {") and json.loads(line[6:])["choices"]:
                lines += 1
                if lines == 2:
                    begun.release()


@pytest.mark.anyio
async def test_sixteen_clients_that_leave_end_their_samples_with_the_next_step(host: HostProcess) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(host.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=120) as client:
        begun = asyncio.Semaphore(0)
        streams = [asyncio.create_task(_stream(client, seed, begun)) for seed in range(N)]
        for _ in range(N):
            await begun.acquire()
        before = (await client.get("/health")).json()
        assert before["running"] == N
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        while (after := (await client.get("/health")).json())["running"]:  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.01)
    # One step was under way when its figures were told, and one may have been when the clients left.
    assert after["steps"] - before["steps"] <= 2
    assert after["waiting"] == 0
