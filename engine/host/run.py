"""One sample while it is decoded: its place in the cache, its random state, and the text that comes of its tokens."""

from __future__ import annotations

from typing import Literal

from attrs import define, field

from engine.host.avoided import Avoided
from engine.host.backend import Backend, Sampler
from engine.host.distinct import DistinctSampler
from engine.host.kv import Sequence
from engine.host.samples import Chunk, Sample, TokenLogprob
from engine.host.text import TextStream


@define(eq=False)
class Run:
    """`token` is sampled, but not evaluated yet; `index` is where its logits will be, or were, in the batch."""

    sample: Sample
    sequence: Sequence
    sampler: Sampler | DistinctSampler
    text: TextStream
    avoided: Avoided | None = None
    count: int = 0
    token: int = -1
    index: int = -1
    _logprobs: list[TokenLogprob] = field(factory=list)

    def draw(self, backend: Backend) -> Chunk | None:
        """Draw the next token from the batch decoded last: what it brings, if anything; with `finish` if it ends."""
        logits = backend.logits(self.index)
        token = self.sampler.sample(self.avoided.without(logits) if self.avoided else logits)
        if backend.ends_generation(token):
            return self._chunk(self.text.finish(), "stop")
        self.token = token
        self.count += 1
        if self.sample.logprobs is not None:
            self._logprobs.append(_logprob(backend, self.index, token, self.sample.logprobs))
        data = backend.piece(token)
        if self.avoided:
            self.avoided.feed(data)
        text = self.text.feed(data)
        if self.text.stopped:
            return self._chunk(text, "stop")
        if self.count >= self.sample.max_tokens:
            text += self.text.finish()
            return self._chunk(text, "stop" if self.text.stopped else "length")
        return self._chunk(text) if text else None

    def _chunk(self, text: str, finish: Literal["stop", "length"] | None = None) -> Chunk:
        logprobs, self._logprobs = tuple(self._logprobs), []
        logprob = self.sampler.logprob if isinstance(self.sampler, DistinctSampler) else None
        return Chunk(text, self.count, finish, logprobs=logprobs, logprob=logprob)


def _logprob(backend: Backend, index: int, token: int, top: int) -> TokenLogprob:
    own, best = backend.logprobs(index, token, top)
    others = tuple(TokenLogprob(backend.piece(other), logprob) for other, logprob in best)
    return TokenLogprob(backend.piece(token), own, others)
