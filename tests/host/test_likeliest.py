"""The likeliest tokens are exactly those that sorting the whole vocabulary finds."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.host.likeliest import likeliest


@given(st.integers(1, 20_000), st.integers(1, 60), st.integers(0, 2**32 - 1), st.sampled_from([3, 1000, 10**9]))
def test_none_of_the_greatest_is_missed(size: int, count: int, seed: int, kinds: int) -> None:
    """With few kinds of values nearly all are equal."""
    random = numpy.random.default_rng(seed)
    logits = (random.integers(-kinds, kinds, size) / kinds * 20).astype(numpy.float32)
    found = likeliest(logits, count)
    assert len(set(found.tolist())) == len(found) >= min(count, size)
    wanted = numpy.sort(logits)[::-1][:count]
    assert numpy.array_equal(numpy.sort(logits[found])[::-1][:count], wanted)


@pytest.mark.parametrize("size", [151_936, 32_000, 49_153])
def test_few_more_than_wanted_are_looked_at(size: int) -> None:
    logits = numpy.random.default_rng(1).normal(0, 3, size).astype(numpy.float32)
    assert 40 <= len(likeliest(logits, 40)) <= 80
