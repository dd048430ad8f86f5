"""What it saves to end a candidate the moment its function is complete: replies that are left to end by themselves."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from engine.energy.base import Work
from engine.generation.base import Generator, GeneratorInfo, Piece, SampleRequest, Usage


class WholeReplies:
    """A generator that gives a reply away only when it has come to its own end; otherwise like the one it wraps.

    Attributes:
        whole: tokens of all replies. read: tokens of them until whoever asked had enough.
    """

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self.whole = self.read = 0

    async def prepare(self) -> GeneratorInfo:
        return await self._generator.prepare()

    async def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        pieces = [piece async for piece in self._generator.sample(request)]
        self.whole += sum(piece.tokens for piece in pieces)
        for piece in pieces:
            self.read += piece.tokens
            yield piece

    async def read_ahead(self, request: SampleRequest) -> Usage | None:
        return await self._generator.read_ahead(request)

    async def work(self) -> Work | None:
        return await self._generator.work()

    async def aclose(self) -> None:
        await self._generator.aclose()
