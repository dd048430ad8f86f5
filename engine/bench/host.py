"""What the model host gets out of a machine: N candidates at once, against llama.cpp without it, in one run.

Each kind runs in a process of its own and knows the prompt already, so that decoding is what is timed.  In every round
all kinds take turns, so that what else the machine does falls on all alike; ratios are made within a round, and medians
over rounds are told.  The host is used as a run uses it: one streamed request a candidate, over its socket.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Protocol

import anyio
from anyio import to_thread
from attrs import frozen

from engine.config import Settings
from engine.errors import GenerationError
from engine.generation.base import Message, SampleRequest
from engine.generation.endpoints import UNIX, connect
from engine.generation.openai import OpenAIGenerator
from engine.models.store import ModelFile

HOST, LOOP, CALLS, ALSO = "host", "bare loop", "calls", "server"
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


@frozen
class Timed:
    """One run of one kind.

    Attributes:
        tokens: sampled by all candidates. ended: seconds after which each candidate had ended.
    """

    tokens: int
    ended: Sequence[float]

    @property
    def rate(self) -> float:
        """Tokens per second of all candidates together."""
        return self.tokens / max(self.ended)


@frozen
class Measured:
    """Medians for one N.

    Attributes:
        rate: tokens per second by kind. first, last: seconds to the first and last finished candidate, by kind.
        ratio: the host's rate to that of another kind, in the same round.
        spread: the least and the greatest of those ratios.
    """

    n: int
    rate: Mapping[str, float]
    first: Mapping[str, float]
    last: Mapping[str, float]
    ratio: Mapping[str, float]
    spread: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, n: int, rounds: Sequence[Mapping[str, Timed]]) -> Measured:
        kinds = list(rounds[0])

        def medians(value: Any) -> dict[str, float]:
            return {kind: round(statistics.median(value(each[kind]) for each in rounds), 3) for kind in kinds}

        ratios = {kind: [each[HOST].rate / each[kind].rate for each in rounds] for kind in kinds if kind != HOST}
        return cls(
            n,
            medians(lambda timed: timed.rate),
            medians(lambda timed: min(timed.ended)),
            medians(lambda timed: max(timed.ended)),
            {kind: round(statistics.median(values), 3) for kind, values in ratios.items()},
            {kind: (round(min(values), 3), round(max(values), 3)) for kind, values in ratios.items()},
        )


@frozen
class Machine:
    """What was measured on, without names and paths."""

    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str
    llama_cpp_python: str
    model: str
    model_mb: int
    threads: int
    load: float

    @classmethod
    def of(cls, model: ModelFile, threads: int) -> Machine:
        import psutil

        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cls(
            _cpu_name(),
            cores,
            round(psutil.virtual_memory().total / 1e9, 1),
            f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}",
            platform.python_version(),
            installed_version("llama-cpp-python"),
            model.name,
            round(model.path.stat().st_size / 1e6),
            threads,
            round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else 0.0,
        )


class _Kind(Protocol):
    async def run(self, n: int, tokens: int) -> Timed: ...


@frozen
class _Served:
    """A server, asked as a run asks it."""

    generator: OpenAIGenerator

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
        async with anyio.create_task_group() as tasks:
            for seed in range(n):
                tasks.start_soon(sample, seed)
        return Timed(sampled, ended)


@frozen
class _Child:
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

    async def ready(self) -> None:
        await to_thread.run_sync(self._told)


async def measure(
    model: ModelFile, sizes: Sequence[int], *, repeat: int, tokens: int, threads: int, also: str = ""
) -> AsyncGenerator[Measured, None]:
    """Every N in turn.

    Args:
        tokens: of each candidate, at most.
        threads: of every kind; the host may take fewer when the machine is busy.
        also: base URL of another server to compare with, such as llama-server with slots; it must be running.

    Raises:
        GenerationError: the host, or what it is compared with, cannot be used.
    """
    async with AsyncExitStack() as stack:
        kinds: dict[str, _Kind] = {HOST: await stack.enter_async_context(_host(model, threads))}
        kinds[LOOP] = await stack.enter_async_context(child("loop", model, threads))
        kinds[CALLS] = await stack.enter_async_context(child("calls", model, threads))
        if also:
            generator = OpenAIGenerator.remote(Settings(endpoint=also))
            stack.push_async_callback(generator.aclose)
            kinds[ALSO] = _Served(generator)
        for kind in kinds.values():
            await kind.run(1, 4)
        for n in sizes:
            rounds = []
            for turn in range(repeat):
                order = list(kinds) if turn % 2 else list(reversed(kinds))
                timed = {kind: await kinds[kind].run(n, tokens) for kind in order}
                rounds.append({kind: timed[kind] for kind in kinds})
            yield Measured.of(n, rounds)


@asynccontextmanager
async def _host(model: ModelFile, threads: int) -> AsyncIterator[_Served]:
    """A host of its own, loaded."""
    with tempfile.TemporaryDirectory(prefix="gf-") as folder:
        path = Path(folder) / "host.sock"
        options = ["--model", str(model.path), "--socket", str(path), "--context", str(CONTEXT)]
        with _process("engine.host", [*options, "--threads", str(threads)]) as process:
            client, where = connect(f"{UNIX}{path}", "")
            generator = OpenAIGenerator(client, model=model.name, where=where, own=True)
            async with aclosing(generator):
                with anyio.fail_after(_READY_SECONDS):
                    while not await _answers(generator):
                        if process.poll() is not None:
                            raise GenerationError("The model host could not be started.", remedy="See `doctor`.")
                        await anyio.sleep(0.1)
                yield _Served(generator)


async def _answers(generator: OpenAIGenerator) -> bool:
    request = SampleRequest((Message("user", "Hello"),), max_tokens=1)
    try:
        async with aclosing(generator.sample(request)) as pieces:
            return [piece async for piece in pieces] != []
    except GenerationError:
        return False


@asynccontextmanager
async def child(kind: str, model: ModelFile, threads: int) -> AsyncIterator[_Child]:
    """What the host is compared with, loaded: `loop` or `calls` (see `engine.bench.bare`)."""
    options = [kind, "--model", str(model.path), "--context", str(CONTEXT), "--threads", str(threads)]
    with _process("engine.bench.bare", options) as process:
        made = _Child(process)
        await made.ready()
        yield made


@contextmanager
def _process(module: str, options: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A Python module run as a process with pipes, ended with the block."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    process = subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, "-P", "-m", module, *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
