"""The model host where it has to share: with other programs on its cores, and with a second host in a pool.

Threads: the host as it is, which changes its threads between steps, against hosts that keep to a number, while cores
are kept busy at normal priority.  Aim: 0.9 of the best of these.  Pool: two hosts behind one pool against one of them;
on one machine they share its cores, so that nothing is won; the question is what is lost.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager

from engine.bench import kinds as processes
from engine.bench.kinds import Kind, Served
from engine.bench.results import Measured
from engine.generation.pool import Member, PoolGenerator
from engine.models.store import ModelFile

GOVERNED, ONE, POOL = "host", "one host", "pool of two"
_SETTLE = 8  # tokens that let the host see what else the machine does


async def measure(
    model: ModelFile, sizes: Sequence[int], *, repeat: int, tokens: int, threads: int, taken: int,
    fixed: Sequence[int] = (),
) -> AsyncGenerator[Measured, None]:  # fmt: skip
    """The host with up to `threads` threads, and hosts that always use so many, or fewer, while `taken` cores are busy.

    Args:
        fixed: numbers to compare with in place of these; too many threads may take minutes for a few tokens.

    Raises:
        GenerationError: a host cannot be started.
    """
    async with AsyncExitStack() as stack:
        kinds: dict[str, Kind] = {GOVERNED: await stack.enter_async_context(processes.host(model, threads))}
        for count in sorted(set(fixed) or {threads, max(1, threads - taken), 1}, reverse=True):
            steady = processes.host(model, count, "--steady")
            kinds[f"{count} fixed"] = await stack.enter_async_context(steady)
        stack.enter_context(_kept_busy(taken))
        async for row in _rows(GOVERNED, kinds, sizes, repeat, tokens):
            yield row


async def pools(
    model: ModelFile, sizes: Sequence[int], *, repeat: int, tokens: int, threads: int
) -> AsyncGenerator[Measured, None]:
    """A pool of two hosts against one host, all with the same threads."""
    async with AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(processes.host(model, threads)) for _ in range(2)]
        pool = PoolGenerator([Member(f"host {i}", each.generator) for i, each in enumerate(hosts)], None)
        kinds: dict[str, Kind] = {POOL: Served(pool), ONE: hosts[0]}
        async for row in _rows(POOL, kinds, sizes, repeat, tokens):
            yield row


async def _rows(
    subject: str, kinds: dict[str, Kind], sizes: Sequence[int], repeat: int, tokens: int
) -> AsyncGenerator[Measured, None]:
    for n in sizes:
        for kind in kinds.values():
            await kind.run(n, _SETTLE)
        rounds = [await processes.take_turns(kinds, n, tokens, turn) for turn in range(repeat)]
        yield Measured.of(subject, n, rounds)


_NEVER_WAITS = """
import os
parent = os.getppid()
while os.getppid() == parent:  # a bench that is killed leaves nothing behind
    for _ in range(1_000_000):
        pass
"""


@contextmanager
def _kept_busy(cores: int) -> Iterator[None]:
    """So many cores kept busy by programs that never wait."""
    command = [sys.executable, "-I", "-S", "-c", _NEVER_WAITS]
    hogs = [subprocess.Popen(command) for _ in range(cores)]  # noqa: S603 - this interpreter, with a fixed program
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
