"""The engine's one door: `Engine.implement` turns a request into a stream of events, the last of them an `Outcome`."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from attrs import evolve

from engine.config import Settings
from engine.driver import Run
from engine.events import Event
from engine.generation.base import Generator
from engine.languages.base import Solution
from engine.preparation import Prepared, prepare
from engine.request import ImplementRequest
from engine.search import Policy

__all__ = ["Engine", "EventStream", "ImplementRequest"]


class EventStream:
    """Iterates a run's events.

    Raises:
        GreenfinchError: while iterating, where the run could not be carried out.
    """

    def __init__(self, stream: MemoryObjectReceiveStream[Event | Exception]) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        try:
            item = await self._stream.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None
        if isinstance(item, Exception):
            raise item
        return item


class Engine:
    """Carries out runs, any number at once.

    Args:
        settings: what the user has set.
        generator: where candidates come from; by default what the settings say.
        policy: decides the search in place of the one that the settings name.
        larger: of a larger model, for the end of a search; by default what the settings say.
        without: parts that prompts are to do without (`prompting.PARTS`), for a bench.
    """

    def __init__(
        self, settings: Settings, *, generator: Generator | None = None, policy: Policy | None = None,
        larger: Generator | None = None, without: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self._settings = settings
        self._generator = generator
        self._policy = policy
        self._larger = larger
        self._without = without

    def implement(self, request: ImplementRequest) -> AbstractAsyncContextManager[EventStream]:
        """Search for a candidate that passes.

        `async with engine.implement(request) as events:` - leaving the block ends the run: generation stops within
        one decode step, and the process tree of the tests is killed.

        Raises:
            GreenfinchError: from the stream, for a run that could not be carried out: nothing was changed.
        """
        return self._stream(request, None)

    def reapply(self, request: ImplementRequest, solution: Solution) -> AbstractAsyncContextManager[EventStream]:
        """Confirm a winner once more on the text as it is now, without sampling; same stream as `implement`."""
        return self._stream(request, solution)

    async def prepare(self, request: ImplementRequest) -> Prepared | None:
        """Make ready what `implement` would begin with, so that it begins sooner; see `engine.preparation`.

        Raises:
            GreenfinchError: as `implement` would; nothing is lost by passing that over.
        """
        return await prepare(self._settings, self._get_generator, request)

    @asynccontextmanager
    async def _stream(self, request: ImplementRequest, solution: Solution | None) -> AsyncIterator[EventStream]:
        send, receive = anyio.create_memory_object_stream[Event | Exception](math.inf)
        seed = random.SystemRandom().randrange(2**31) if request.seed is None else request.seed

        def tell(item: Event | Exception) -> None:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # nobody listens any more
                send.send_nowait(item)

        async def drive() -> None:
            with send:
                try:
                    await self._run(request, seed, tell).drive(solution)
                except Exception as error:  # handed to whoever reads the stream, as if raised there
                    tell(error)

        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drive)
            try:
                with receive:
                    yield EventStream(receive)
            except Exception as error:  # raised again below, without the task group's wrapping
                failure = error
            finally:
                tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def _run(self, request: ImplementRequest, seed: int, tell: Callable[[Event], None]) -> Run:
        has_larger = self._larger is not None or self._settings.larger_model
        larger = self._get_larger if has_larger else None
        return Run(
            self._settings, self._get_generator, request, seed, tell,
            policy=self._policy, larger=larger, without=self._without,
        )  # fmt: skip

    def _get_larger(self) -> Generator:
        if self._larger is None:
            from engine.generation.factory import make_generator

            self._larger = make_generator(evolve(self._settings, model=self._settings.larger_model))
        return self._larger

    def _get_generator(self) -> Generator:
        if self._generator is None:
            from engine.generation.factory import make_generator  # imports an HTTP client: only when needed

            self._generator = make_generator(self._settings)
        return self._generator

    async def aclose(self) -> None:
        """Close connections; a shared host keeps running for others."""
        for generator in (self._generator, self._larger):
            if generator is not None:
                await generator.aclose()
