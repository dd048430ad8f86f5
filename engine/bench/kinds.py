"""The processes that `bench.host` and `bench.busy` measure: model hosts, llama.cpp without one, a server with slots.

Each kind runs in a process of its own, and answers one question: n candidates of so many tokens.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import anyio
import httpx
from anyio import to_thread
from attrs import evolve, frozen

from engine.bench.results import Timed
from engine.config import Settings
from engine.errors import GenerationError
from engine.generation.base import Generator, Message, SampleRequest
from engine.generation.endpoints import UNIX, connect
from engine.generation.openai import OpenAIGenerator
from engine.machine import children
from engine.models.store import ModelFile
from engine.tasks import all_of

TEMPERATURE = 0.8
CONTEXT = 8192
MOST = 32  # samples that the host runs at once
_READY_SECONDS = 600.0
_FILE = "\n\n\n".join(
    f"def step_{n}(values: list[int], limit: int = {n}) -> list[int]:\n"
    f'    """Those above the limit, each less {n}."""\n'
    f"    return [value - {n} for value in values if value > limit]"
    for n in range(1, 7)
)
MESSAGES = (
    ("system", "You are a helpful assistant."),
    ("user", f"A file:\n```python\n{_FILE}\n```\nNow count from 1 to 1000 in words, one number a line."),
)


class Kind(Protocol):
    async def run(self, n: int, tokens: int) -> Timed: ...


@frozen
class Served:
    """A server, asked as a run asks it."""

    generator: Generator

    async def run(self, n: int, tokens: int) -> Timed:
        ended: list[float] = []
        sampled = 0

        async def sample(seed: int) -> None:
            nonlocal sampled
            messages = tuple(Message(role, content) for role, content in MESSAGES)  # type: ignore[arg-type] # Literal
            request = SampleRequest(messages, temperature=TEMPERATURE, seed=seed, max_tokens=tokens)
            async with aclosing(self.generator.sample(request)) as pieces:
                async for piece in pieces:
                    sampled += piece.tokens
            ended.append(time.monotonic() - begun)

        begun = time.monotonic()
        await all_of([partial(sample, seed) for seed in range(n)], most=n)
        return Timed(sampled, ended)


@frozen
class Hosted(Served):
    """A host of our own, which tells how long it was in `llama_decode`."""

    client: httpx.AsyncClient

    async def run(self, n: int, tokens: int) -> Timed:
        before = await self._decoding()
        timed = await super().run(n, tokens)
        return evolve(timed, decoding=await self._decoding() - before)

    async def _decoding(self) -> float:
        health = await self.client.get(self.client.base_url.join("/health"))
        return float(health.json()["decode_seconds"])


@frozen
class Child:
    """A process of `engine.bench.bare`."""

    process: subprocess.Popen[str]

    async def run(self, n: int, tokens: int) -> Timed:
        told = await to_thread.run_sync(self._ask, {"n": n, "tokens": tokens})
        return Timed(told["tokens"], told["ended"])

    def _ask(self, question: dict[str, int]) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout  # noqa: S101 - it was started with both
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return self._told()

    def _told(self) -> dict[str, Any]:
        assert self.process.stdout  # noqa: S101 - as above
        line = self.process.stdout.readline()
        if not line:
            raise GenerationError("A process to compare with has ended.", remedy="Is there memory for three models?")
        told: dict[str, Any] = json.loads(line)
        return told

    async def ready(self) -> dict[str, Any]:
        """Wait until it is; what it says then."""
        return await to_thread.run_sync(self._told)


async def take_turns(kinds: Mapping[str, Kind], n: int, tokens: int, turn: int) -> dict[str, Timed]:
    """One round: every kind once, in an order that changes from round to round."""
    order = list(kinds) if turn % 2 else list(kinds)[::-1]
    timed = {kind: await kinds[kind].run(n, tokens) for kind in order}
    return {kind: timed[kind] for kind in kinds}


def has_slots() -> bool:
    """Whether the package is installed that brings a llama.cpp server (the extra `bench`)."""
    return find_spec("xllamacpp") is not None


@asynccontextmanager
async def slots(model: ModelFile, threads: int, count: int) -> AsyncIterator[Served]:
    """A llama.cpp server with so many slots, ready."""
    options = ["slots", "--model", str(model.path), "--context", str(CONTEXT), "--threads", str(threads)]
    with _process("engine.bench.bare", [*options, "--slots", str(count)]) as process:
        told = await Child(process).ready()
        generator = OpenAIGenerator.remote(Settings(endpoint=f"{told['url']}/v1"))
        async with aclosing(generator):
            yield Served(generator)


@asynccontextmanager
async def host(model: ModelFile, threads: int, *options: str) -> AsyncIterator[Hosted]:
    """A host of its own, loaded."""
    with tempfile.TemporaryDirectory(prefix="gf-") as folder:
        path = Path(folder) / "host.sock"
        needed = ["--model", str(model.path), "--socket", str(path), "--context", str(CONTEXT)]
        with _process("engine.host", [*needed, "--threads", str(threads), *options]) as process:
            client, where = connect(f"{UNIX}{path}", "")
            generator = OpenAIGenerator(client, model=model.name, where=where, own=True)
            async with aclosing(generator):
                with anyio.fail_after(_READY_SECONDS):
                    while not await _answers(generator):
                        if process.poll() is not None:
                            raise GenerationError("The model host could not be started.", remedy="See `doctor`.")
                        await anyio.sleep(0.1)
                yield Hosted(generator, client)


async def _answers(generator: OpenAIGenerator) -> bool:
    request = SampleRequest((Message("user", "Hello"),), max_tokens=1)
    try:
        async with aclosing(generator.sample(request)) as pieces:
            return [piece async for piece in pieces] != []
    except GenerationError:
        return False


@asynccontextmanager
async def child(kind: str, model: ModelFile, threads: int) -> AsyncIterator[Child]:
    options = [kind, "--model", str(model.path), "--context", str(CONTEXT), "--threads", str(threads)]
    with _process("engine.bench.bare", options) as process:
        made = Child(process)
        await made.ready()
        yield made


@contextmanager
def _process(module: str, options: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A Python module run as a process with pipes, ended with the block."""
    process = subprocess.Popen(  # noqa: S603 - our own modules
        children.command(module, *options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env=children.environment(),
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
