"""What the model host gets out of a machine: N candidates at once, against llama.cpp without it, in one run.

Each kind runs in a process of its own and knows the prompt already, so that decoding is what is timed.  In every round
all kinds take turns, so that what else the machine does falls on all alike; ratios are made within a round, and medians
over rounds are told.  The host is used as a run uses it: one streamed request a candidate, over its socket.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack

from engine.bench import kinds as processes
from engine.bench.kinds import Kind, Served
from engine.bench.results import Measured
from engine.config import Settings
from engine.generation.openai import OpenAIGenerator
from engine.models.store import ModelFile

HOST, LOOP, CALLS, SLOTS, ALSO = "host", "bare loop", "calls", "slots", "server"


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
        kinds: dict[str, Kind] = {HOST: await stack.enter_async_context(processes.host(model, threads))}
        kinds[LOOP] = await stack.enter_async_context(processes.child("loop", model, threads))
        kinds[CALLS] = await stack.enter_async_context(processes.child("calls", model, threads))
        if processes.has_slots():
            kinds[SLOTS] = await stack.enter_async_context(processes.slots(model, threads, max(sizes)))
        if also:
            generator = OpenAIGenerator.remote(Settings(endpoint=also))
            stack.push_async_callback(generator.aclose)
            kinds[ALSO] = Served(generator)
        for n in sizes:
            for kind in kinds.values():
                await kind.run(n, 3)  # so that each slot knows the prompt
            yield Measured.of(HOST, n, [await processes.take_turns(kinds, n, tokens, turn) for turn in range(repeat)])
