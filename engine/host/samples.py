"""What passes between the HTTP side and the batcher: a sample to be drawn, and the chunks that come of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from attrs import define, frozen

from engine.host.backend import Sampling
from engine.host.distinct import Distinct


@frozen
class TokenLogprob:
    """A token's bytes and the natural logarithm of the model's probability for it, before any sampler.

    Attributes:
        top: the likeliest tokens in its place.
    """

    token: bytes
    logprob: float
    top: tuple[TokenLogprob, ...] = ()


@frozen
class Chunk:
    """What one step brought for one sample.

    Attributes:
        tokens: sampled so far.
        finish: None while the sample goes on.
        error: why it ended without a result; then it is the last.
        logprobs: of the tokens since the last chunk, if they were asked for.
        logprob: of all tokens so far together, where the sample is a distinct one.
    """

    text: str = ""
    tokens: int = 0
    finish: Literal["stop", "length"] | None = None
    error: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    logprob: float | None = None


@define(eq=False)
class Sample:
    """One sample to be drawn.

    Attributes:
        max_tokens: 0: only the prompt is to be read; see `only_reads`.
        sink: called on the event loop.
        logprobs: how many likeliest tokens to tell with each token's own; None: none, nor its own.
        avoid: no line of it begins with this, white space aside; empty: lines begin as they like.
        at_line_start: whether the prompt ends at the start of a line.
        distinct: which others it must not repeat; None: it is drawn as if there were none.
        cached_tokens: of the prompt; known with the first chunk.
    """

    prompt: list[int]
    sampling: Sampling
    max_tokens: int
    stop: tuple[str, ...]
    sink: Callable[[Chunk], None]
    logprobs: int | None = None
    avoid: str = ""
    at_line_start: bool = False
    distinct: Distinct | None = None
    cached_tokens: int = 0
    cancelled: bool = False

    @property
    def only_reads(self) -> bool:
        """Whether nothing is to be sampled: somebody may soon ask for more with its prompt.  It gives way to others."""
        return self.max_tokens == 0


@frozen
class Stats:
    """For /health and /metrics.

    Attributes:
        step_age: seconds since the step under way began; 0 between steps.
        step_seconds: of the last step.
        decode_seconds: of all steps; prompt_seconds: of these, as far as they read prompts (by their tokens' share).
        tokens_cached: of prompts that needed no evaluation.
        threads: of the last step.
    """

    state: Literal["loading", "ready", "failed"]
    running: int = 0
    waiting: int = 0
    cells_used: int = 0
    prompts_kept: int = 0
    steps: int = 0
    tokens_evaluated: int = 0
    tokens_sampled: int = 0
    tokens_cached: int = 0
    samples: int = 0
    step_age: float = 0.0
    step_seconds: float = 0.0
    decode_seconds: float = 0.0
    prompt_seconds: float = 0.0
    threads: int = 0
