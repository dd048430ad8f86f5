"""What a run's sampler tells the backend of its earlier samples."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from engine.config import Settings
from engine.generation.base import Piece, SampleRequest
from engine.generation.scripted import ScriptedGenerator
from engine.languages.python import Python
from engine.prompting import build_prompt
from engine.sampling import Sampler
from engine.search import Sample

pytestmark = pytest.mark.anyio

BOX = "class Box:\n    def size(self):\n        ...\n\n    def put(self, item):\n        ...\n"


class Held(ScriptedGenerator):
    """Its first sample of `put` does not come to an end; all others are of three tokens."""

    def __init__(self) -> None:
        super().__init__(())
        self.distinct: list[SampleRequest] = []
        self.is_held = anyio.Event()

    async def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        if request.distinct is not None:
            self.distinct.append(request)
        for token in ("        return", " 1", "\n"):
            yield Piece(token, 1)
            if request.distinct is not None and len(self.distinct) == 1:
                self.is_held.set()
                await anyio.sleep_forever()
        yield Piece(finish="stop")


async def test_only_samples_that_are_distinct_and_came_to_their_end_are_told_to_have() -> None:
    """A class's other functions are samples of other prompts: the lengths of theirs say nothing of the last one."""
    python, model = Python(), Held()
    target = python.target_named(Path("box.py"), BOX, "Box")
    assert len(target.functions) == 2
    prompt = build_prompt(python, BOX, target, [], [])
    sampler = Sampler(model, python, prompt, Settings(), 0, lambda _event: None)
    distinct = Sample(0.8, distinct=True)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sampler.sample, 1, distinct, None, None)
        await model.is_held.wait()
        await sampler.sample(2, distinct, None, None)  # beside the first one, which is in its last function
        tasks.cancel_scope.cancel()
    await sampler.sample(3, distinct, None, None)
    ended = [dict(request.distinct.ended) for request in model.distinct if request.distinct is not None]
    assert ended == [{}, {}, {2: 4}]  # three tokens and the end; nothing of the first, which was cancelled
