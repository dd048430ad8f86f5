"""The books of the KV cache: what is shared counts once, and what nobody needs is given up, oldest first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.host.kv import KVCache, Sequence


class NoMemory:
    """The books are kept beside llama.cpp's memory, and never ask it anything."""

    def copy_prefix(self, source: int, target: int, length: int) -> None: ...
    def remove(self, sequence: int, start: int = 0) -> None: ...
    def clear(self) -> None: ...

    saves = takes = True

    def save(self, sequence: int) -> bytes | None:
        return b"cells" if self.saves else None

    def restore(self, sequence: int, saved: bytes) -> bool:
        return self.takes


@pytest.fixture
def cache() -> KVCache:
    return KVCache(NoMemory(), capacity=20, sequences=6, kept=3)


def evaluated(cache: KVCache, *tokens: int) -> Sequence:
    sequence = cache.fork(None, 0)
    cache.append(sequence, tokens)
    return sequence


def test_shared_cells_count_once_and_are_freed_with_their_last_sequence(cache: KVCache) -> None:
    prompt = evaluated(cache, 1, 2, 3, 4)
    fork = cache.fork(prompt, 3)
    cache.append(fork, [9])
    assert cache.used == 5
    cache.release(prompt)
    assert cache.used == 4
    cache.release(fork)
    assert cache.used == 0


def test_the_longest_common_beginning_is_found(cache: KVCache) -> None:
    for tokens in ((1, 2), (1, 5, 6), (7,)):
        cache.keep(evaluated(cache, *tokens))
    source, length = cache.longest_prefix([1, 5, 8, 9], [])
    assert source is not None
    assert (source.tokens, length) == ([1, 5, 6], 2)
    assert cache.longest_prefix([4], []) == (None, 0)


def test_the_least_recently_used_prompt_goes_first(cache: KVCache) -> None:
    for tokens in ((1,), (2,), (3,)):
        cache.keep(evaluated(cache, *tokens))
    cache.longest_prefix([1], [])
    cache.keep(evaluated(cache, 4))
    assert [cache.longest_prefix([token], [])[1] for token in (1, 2, 3, 4)] == [1, 0, 1, 1]


def test_a_prompt_that_a_longer_one_contains_is_not_kept_twice(cache: KVCache) -> None:
    cache.keep(evaluated(cache, 1, 2))
    cache.keep(evaluated(cache, 1, 2, 3))
    assert (cache.kept, cache.used) == (1, 3)


def test_room_is_made_of_what_can_be_spared(cache: KVCache) -> None:
    first, second = evaluated(cache, *range(8)), evaluated(cache, *range(100, 108))
    cache.keep(first)
    cache.keep(second)
    assert cache.make_room(12, 1, spare=second)
    assert cache.longest_prefix([0], []) == (None, 0)
    assert not cache.make_room(13, 1, spare=second)
    assert cache.kept == 1


def test_a_reopened_prompt_lacks_its_last_token_alone(cache: KVCache) -> None:
    prompt = evaluated(cache, 1, 2, 3)
    cache.keep(prompt)
    cache.reopen(prompt)
    assert (prompt.tokens, cache.used, cache.kept) == ([1, 2], 2, 0)


def test_what_is_kept_and_not_in_use_goes_out_of_the_pool_and_comes_back(cache: KVCache) -> None:
    prompt, other = evaluated(cache, 1, 2, 3, 4), evaluated(cache, 1, 7)
    cache.keep(prompt)
    cache.keep(other)
    cache.put_out(spare=other)
    assert (prompt.is_out, other.is_out, cache.used, cache.kept) == (True, False, 2, 2)
    assert cache.longest_prefix([1, 2, 3, 9], []) == (prompt, 3), "it is known as before"
    assert cache.bring_in(prompt)
    fork = cache.fork(prompt, 3)
    cache.put_out(spare=other)
    assert (prompt.is_out, cache.used, fork.tokens) == (True, 2 + 3, [1, 2, 3])
    cache.release(fork)
    assert cache.used == 2


def test_a_prompt_whose_cells_others_use_stays_since_nothing_would_be_won(cache: KVCache) -> None:
    prompt = evaluated(cache, 1, 2, 3)
    fork = cache.fork(prompt, 3)
    cache.keep(prompt)
    cache.put_out()
    assert not prompt.is_out
    cache.release(fork)
    cache.put_out()
    assert prompt.is_out and cache.used == 0


def test_outside_there_is_room_for_half_as_much_as_in_the_pool(cache: KVCache) -> None:
    first, second = evaluated(cache, *range(6)), evaluated(cache, *range(100, 106))
    cache.keep(first)
    cache.keep(second)
    cache.put_out()
    assert (cache.kept, cache.used) == (1, 0)
    assert cache.longest_prefix([0], []) == (None, 0)


def test_what_cannot_be_copied_or_brought_back_is_forgotten() -> None:
    memory = NoMemory()
    cache = KVCache(memory, capacity=20, sequences=6, kept=3)
    prompt = evaluated(cache, 1, 2, 3)
    cache.keep(prompt)
    cache.put_out()
    memory.takes = False
    assert not cache.bring_in(prompt)
    assert (cache.kept, cache.used) == (0, 0)
    cache.keep(evaluated(cache, 4))
    memory.saves = False
    cache.put_out()
    assert (cache.kept, cache.used) == (0, 0)


def test_a_copy_is_made_anew_once_the_prompt_has_been_in_use() -> None:
    """It may have been given up before its last token was evaluated again."""
    cache = KVCache(NoMemory(), capacity=20, sequences=6, kept=3)
    prompt = evaluated(cache, 1, 2, 3)
    cache.keep(prompt)
    cache.put_out()
    assert cache.bring_in(prompt)
    cache.reopen(prompt)
    assert prompt.saved is None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), max_size=40))
def test_used_cells_are_those_of_the_sequences_there_are(steps: list[tuple[int, int]]) -> None:
    cache = KVCache(NoMemory(), capacity=10_000, sequences=64, kept=64)
    alive: list[Sequence] = []
    for action, number in steps:
        if action <= 1 or not alive:
            alive.append(evaluated(cache, *range(number)))
        elif action <= 3:
            source = alive[number % len(alive)]
            alive.append(cache.fork(source, len(source.tokens) // 2))
        elif action == 4:
            cache.append(alive[number % len(alive)], [number])
        else:
            cache.release(alive.pop(number % len(alive)))
        assert cache.used == len({cell for sequence in alive for cell in sequence.cells})
