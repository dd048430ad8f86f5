"""Which tokens lie in the KV cache, who shares them, and which prompts are kept for later.

The cache is one pool of cells.  A sequence is a run of cells from position 0; sequences that were forked share their
common beginning, and a cell is free again when its last sequence has gone.  llama.cpp does not say how full the pool
is, so it is counted here; what is admitted then never fails for want of a cell.

A step reads all cells up to the last one in use, whoever they belong to: with 6000 cells of other prompts two cores
read a prompt three times slower and decode eight samples at little more than half the speed (0.5B, AVX-512).  So a
prompt that is kept and not in use lies outside, as llama.cpp's own copy of its cells, which is made and brought back
within milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence as Tokens
from itertools import takewhile
from typing import Any, Protocol

from attrs import define, field

Saved = Any
"""A copy of a sequence's cells, as llama.cpp writes it."""
_NO_ID = -1


class Memory(Protocol):
    """What llama.cpp's memory can do (see `backend.Backend`)."""

    def copy_prefix(self, source: int, target: int, length: int) -> None: ...
    def remove(self, sequence: int, start: int = 0) -> None: ...
    def clear(self) -> None: ...
    def save(self, sequence: int) -> Saved | None: ...
    def restore(self, sequence: int, saved: Saved) -> bool: ...


@define(eq=False)
class Sequence:
    """Evaluated tokens under one sequence id; `cells` names the cell of each token.

    Attributes:
        saved: a copy of its cells, once there was reason to make one; it holds as long as the tokens are the same.
        is_out: that copy is all there is: it has no id and no cells.
    """

    id: int
    tokens: list[int] = field(factory=list)
    cells: list[int] = field(factory=list)
    saved: Saved | None = None

    @property
    def is_out(self) -> bool:
        return self.id == _NO_ID


class KVCache:
    """The pool's books, and the prompts kept in it: least recently used out first.

    Args:
        capacity: cells, one token each.
        sequences: ids that the context tells apart.
        kept: most prompts kept at a time; those outside the pool have half as many tokens as it has cells, at most.
    """

    def __init__(self, memory: Memory, *, capacity: int, sequences: int, kept: int) -> None:
        self._memory = memory
        self.capacity = capacity
        self._most_out = capacity // 2
        self._sequences = sequences
        self._most_kept = kept
        self._reset()

    def _reset(self) -> None:
        self._free_ids = list(range(self._sequences - 1, -1, -1))
        self._sharers: dict[int, int] = {}
        self._next_cell = 0
        self._kept: list[Sequence] = []

    @property
    def used(self) -> int:
        """Cells in use, those of kept prompts that lie in the pool included."""
        return len(self._sharers)

    @property
    def kept(self) -> int:
        """How many prompts are kept."""
        return len(self._kept)

    def is_kept(self, sequence: Sequence | None) -> bool:
        return sequence in self._kept

    def fork(self, source: Sequence | None, length: int) -> Sequence:
        """A new sequence that shares the first `length` tokens of `source`, which lies in the pool.

        Call `make_room` for its id before.
        """
        sequence = Sequence(self._free_ids.pop())
        if source is not None and length:
            self._memory.copy_prefix(source.id, sequence.id, length)
            sequence.tokens = source.tokens[:length]
            sequence.cells = source.cells[:length]
            for cell in sequence.cells:
                self._sharers[cell] += 1
        return sequence

    def append(self, sequence: Sequence, tokens: Tokens[int]) -> None:
        """Book tokens that have been evaluated at the end of `sequence`."""
        cells = range(self._next_cell, self._next_cell + len(tokens))
        self._next_cell = cells.stop
        sequence.tokens.extend(tokens)
        sequence.cells.extend(cells)
        self._sharers.update(dict.fromkeys(cells, 1))

    def release(self, sequence: Sequence) -> None:
        """Give up `sequence` and the cells that nobody else shares."""
        self._memory.remove(sequence.id)
        self._free_ids.append(sequence.id)
        self._leave(sequence.cells)

    def reopen(self, prompt: Sequence) -> None:
        """Take a kept prompt back into use, without its last token, which is to be evaluated again.

        It lies then where it lay before, so that what is sampled from it next is the same to the last bit.
        """
        self._kept.remove(prompt)
        last = len(prompt.tokens) - 1
        self._memory.remove(prompt.id, last)
        self._leave(prompt.cells[last:])
        del prompt.tokens[last:], prompt.cells[last:]
        prompt.saved = None

    def bring_in(self, prompt: Sequence) -> bool:
        """Put a kept prompt that lies outside the pool back into it; call `make_room` for it before.

        Returns False, and forgets the prompt, if llama.cpp does not take it.
        """
        prompt.id = self._free_ids.pop()
        if not self._memory.restore(prompt.id, prompt.saved):
            self._drop(prompt)
            return False
        tokens, prompt.tokens = prompt.tokens, []
        self.append(prompt, tokens)
        return True

    def put_out(self, *, spare: Sequence | None = None) -> None:
        """Take what is kept out of the pool, but for `spare`, and prompts all of whose cells are in use by others."""
        for prompt in [kept for kept in self._kept if kept is not spare]:
            if prompt.is_out or not self._frees_cells(prompt):
                continue
            if prompt.saved is None:
                prompt.saved = self._memory.save(prompt.id)
            if prompt.saved is None:
                self._drop(prompt)
                continue
            self.release(prompt)
            prompt.id, prompt.cells = _NO_ID, []
        while sum(len(kept.tokens) for kept in self._kept if kept.is_out) > self._most_out:
            self._drop(next(kept for kept in self._kept if kept.is_out))

    def _frees_cells(self, prompt: Sequence) -> bool:
        return any(self._sharers[cell] == 1 for cell in prompt.cells)

    def _leave(self, cells: list[int]) -> None:
        for cell in cells:
            self._sharers[cell] -= 1
            if not self._sharers[cell]:
                del self._sharers[cell]

    def keep(self, prompt: Sequence) -> None:
        """Keep an evaluated prompt for later requests instead of releasing it."""
        if not prompt.tokens:
            self.release(prompt)
            return
        for other in [o for o in self._kept if prompt.tokens[: len(o.tokens)] == o.tokens]:
            self._drop(other)  # the new one serves wherever this one could
        self._kept.append(prompt)
        while len(self._kept) > self._most_kept:
            self._drop(self._kept[0])

    def longest_prefix(self, tokens: Tokens[int], others: list[Sequence]) -> tuple[Sequence | None, int]:
        """The sequence among the kept prompts and `others` that shares most of its beginning with `tokens`.

        A kept one counts as used by this.
        """
        best, length = None, 0
        for candidate in (*others, *self._kept):
            if (common := common_prefix(candidate.tokens, tokens)) > length:
                best, length = candidate, common
        if best in self._kept:
            self._kept.remove(best)
            self._kept.append(best)
        return best, length

    def make_room(self, cells: int, ids: int, *, spare: Sequence | None) -> bool:
        """Drop kept prompts that lie in the pool, oldest first and never `spare`, until `cells` and `ids` are free.

        Returns False, with nothing more to drop, if that is not enough.
        """
        for prompt in list(self._kept):
            enough_cells = self.capacity - self.used >= cells
            if enough_cells and len(self._free_ids) >= ids:
                break
            if prompt is not spare and not prompt.is_out and (enough_cells or self._frees_cells(prompt)):
                self._drop(prompt)
        return self.capacity - self.used >= cells and len(self._free_ids) >= ids

    def clear(self) -> None:
        """Forget everything; sequences handed out before are void."""
        self._memory.clear()
        self._reset()

    def _drop(self, prompt: Sequence) -> None:
        self._kept.remove(prompt)
        if not prompt.is_out:
            self.release(prompt)


def common_prefix(a: Tokens[int], b: Tokens[int]) -> int:
    """How many tokens `a` and `b` have in common from their beginning."""
    shorter = min(len(a), len(b))
    if a[:shorter] == b[:shorter]:  # the usual case, at C speed
        return shorter
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
