"""What passes between the HTTP side and the batcher: a sample to be drawn, and the chunks that come of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from attrs import define, frozen

from engine.host.backend import Sampling


@frozen
class Chunk:
    """What one step brought for one sample.

    Attributes:
        tokens: sampled so far.
        finish: None while the sample goes on.
        error: why it ended without a result; then it is the last.
    """

    text: str = ""
    tokens: int = 0
    finish: Literal["stop", "length"] | None = None
    error: str | None = None


@define(eq=False)
class Sample:
    """One sample to be drawn.  `sink` is called on the event loop.  `cached_tokens` is known with its first chunk."""

    prompt: list[int]
    sampling: Sampling
    max_tokens: int
    stop: tuple[str, ...]
    sink: Callable[[Chunk], None]
    cached_tokens: int = 0
    cancelled: bool = False


@frozen
class Stats:
    """For /health."""

    state: Literal["loading", "ready", "failed"]
    running: int = 0
    waiting: int = 0
    cells_used: int = 0
    prompts_kept: int = 0
    steps: int = 0
    tokens_evaluated: int = 0
    tokens_sampled: int = 0
