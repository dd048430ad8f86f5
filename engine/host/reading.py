"""The prompts that are being read, and which samples may join them: a prompt is evaluated once, for all who ask for it.

Equal requests that arrive meanwhile wait for it, and one with a long common beginning waits to fork it; later ones fork
it from the cache.  A sample is admitted when all the cells it may need are there, so that it is never cut off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from attrs import define, field, frozen

from engine.host.backend import Batch
from engine.host.kv import KVCache, common_prefix
from engine.host.kv import Sequence as Cells
from engine.host.samples import Sample

WORTH_WAITING = 64  # tokens: a prompt that will share more than this with one being evaluated waits for it

Admission = Literal["admitted", "later", "full"]
"""`later`: it waits for a prompt that is being read; `full`: nobody behind it is admitted before it, either."""


@define(eq=False)
class Prompt:
    """A prompt being read, and those who wait for it."""

    tokens: list[int]
    sequence: Cells
    waiters: list[Sample]

    @property
    def can_wait(self) -> bool:
        """Whether nobody needs it yet."""
        return all(sample.only_reads for sample in self.waiters)

    @property
    def promised(self) -> int:
        """Cells that it and its samples may still need."""
        unread = len(self.tokens) - len(self.sequence.tokens)
        return unread + sum(waiter.max_tokens for waiter in self.waiters)


@frozen
class Part:
    """What one step reads of a prompt: up to `stop`; `index`: where its last token lies in the batch."""

    prompt: Prompt
    stop: int
    index: int

    @property
    def is_last(self) -> bool:
        return self.stop == len(self.prompt.tokens)


@define(eq=False)
class Reading:
    """All prompts that are being read."""

    prompts: list[Prompt] = field(factory=list)

    @property
    def waiting(self) -> int:
        """Samples that wait for a prompt."""
        return sum(len(prompt.waiters) for prompt in self.prompts)

    @property
    def can_wait(self) -> bool:
        """Whether nobody needs any of them yet."""
        return all(prompt.can_wait for prompt in self.prompts)

    def forget_cancelled(self, cache: KVCache) -> None:
        for prompt in list(self.prompts):
            prompt.waiters = [sample for sample in prompt.waiters if not sample.cancelled]
            if not prompt.waiters:
                self._put_away(prompt, cache)  # what has been read so far may serve another time

    def make_way(self, queue: Iterable[Sample], cache: KVCache) -> list[Sample]:
        """Give up prompts that can wait if anything else is in the queue, but for what it waits for: their samples."""
        needed = [sample.prompt for sample in queue if not sample.only_reads]
        gone = [p for p in self.prompts if needed and p.can_wait and p.tokens not in needed]
        for prompt in gone:
            self._put_away(prompt, cache)  # what has been read so far serves those that begin alike
        return [sample for prompt in gone for sample in prompt.waiters]

    def _put_away(self, prompt: Prompt, cache: KVCache) -> None:
        self.prompts.remove(prompt)
        cache.keep(prompt.sequence)

    def admit(self, sample: Sample, cache: KVCache, *, promised: int, running: int, most: int) -> Admission:
        """Admit a sample, if there is room for it.

        Args:
            promised: cells that samples which run may still need.
            running: how many these are; most: samples that may run or wait for their prompts.
        """
        joined = next((p for p in self.prompts if p.tokens == sample.prompt), None)
        source, shared = None, 0
        if not joined:
            source, shared = cache.longest_prefix(sample.prompt, [p.sequence for p in self.prompts])
            shared = min(shared, len(sample.prompt) - 1)  # the last token is evaluated for its logits
            soon = max((common_prefix(p.tokens, sample.prompt) for p in self.prompts), default=0)
            if soon > shared + WORTH_WAITING:
                return "later"
        if running + self.waiting >= most:
            return "full"
        promised += sum(prompt.promised for prompt in self.prompts)
        cache.put_out(spare=source)
        need = sample.max_tokens + (0 if joined else len(sample.prompt) - shared)
        ids = self.waiting + 1 + (0 if joined else 1)
        if source is not None and source.is_out:  # it comes in as a whole, and all but what is shared goes out again
            room = cache.make_room(max(len(source.tokens), promised + need + shared), ids + 1, spare=source)
        else:
            room = cache.make_room(promised + need, ids, spare=source)
        if not room:
            if running or self.prompts:
                return "full"
            # Alone, and yet no room: the kept prompt that it would share takes the cells that it needs.
            source, shared = None, 0
            cache.make_room(len(sample.prompt) + sample.max_tokens, ids, spare=None)
        if joined:
            sample.cached_tokens = len(sample.prompt)
            joined.waiters.append(sample)
            return "admitted"
        if source is not None and source.is_out and not cache.bring_in(source):
            source, shared = None, 0
        sample.cached_tokens = shared
        if source is not None and cache.is_kept(source) and source.tokens == sample.prompt:
            cache.reopen(source)
            sequence = source
        else:
            sequence = cache.fork(source, shared)
            cache.put_out()
        self.prompts.append(Prompt(sample.prompt, sequence, [sample]))
        return "admitted"

    def put(self, batch: Batch, room: int, *, busy: bool) -> Sequence[Part]:
        """Put up to `room` tokens of what is to be read into a batch; with `busy`, nothing of what can wait.

        A prompt's last token is read apart from those before it, whether these came from the cache or not: so what is
        sampled from it does not hang on that.
        """
        parts: list[Part] = []
        needed = [prompt for prompt in self.prompts if not prompt.can_wait]
        for prompt in needed if needed or busy else self.prompts:
            first, end = len(prompt.sequence.tokens), len(prompt.tokens)
            stop = min(first + room, end - 1) if first < end - 1 else end
            index = -1
            for position in range(first, stop):
                token = prompt.tokens[position]
                index = batch.add(token, position, prompt.sequence.id, logits=position == end - 1)
            parts.append(Part(prompt, stop, index))
            room -= stop - first
            if not room:
                break
        return parts
