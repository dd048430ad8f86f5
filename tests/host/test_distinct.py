"""Samples without replacement: none comes twice, and all come in the proportions they would have had."""

from __future__ import annotations

import math
import random
from collections import Counter
from functools import cache

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.host.avoided import Avoided
from engine.host.backend import Sampling
from engine.host.distinct import Distinct, DistinctSampler, Trees

VOCABULARY = 8
END = 0
WARM = Sampling(temperature=1.0, top_p=1.0, min_p=0.0, seed=0)


@cache
def logits(prefix: tuple[int, ...]) -> numpy.ndarray:
    """A model of eight tokens that ends by itself after two to four."""
    chance = random.Random(str(prefix))
    values = [chance.gauss(0, 2) for _ in range(VOCABULARY)]
    if len(prefix) == 0:
        values[END] = -math.inf
    if len(prefix) >= 3:
        values = [0.0 if token == END else -math.inf for token in range(VOCABULARY)]
    return numpy.array(values, numpy.float32)


def sampled(sampler: DistinctSampler) -> tuple[int, ...]:
    """One sample to its end."""
    tokens: tuple[int, ...] = ()
    while not tokens or tokens[-1] != END:
        tokens += (sampler.sample(logits(tokens)),)
    return tokens


def draw(count: int, way: Sampling = WARM, *, key: str = "key", seed: int = 0) -> list[tuple[int, ...]]:
    """So many samples, one after the other, each told of all that ended."""
    trees, done = Trees(), []
    for number in range(count):
        ended = {earlier: len(tokens) for earlier, tokens in enumerate(done)}
        own = Sampling(way.temperature, way.top_p, way.min_p, seed + number)
        done.append(sampled(trees.sampler(Distinct(key, number, ended), [1, 2], own)))
    return done


def probability(tokens: tuple[int, ...]) -> float:
    found = 1.0
    for at, token in enumerate(tokens):
        weights = numpy.exp(logits(tokens[:at]).astype(float))
        found *= weights[token] / weights.sum()
    return found


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.5])
def test_its_probability_is_the_models_own_whatever_the_temperature(temperature: float) -> None:
    sampler = Trees().sampler(Distinct("key", 1, {}), [1, 2], Sampling(temperature, 0.9, 0.0, 3))
    tokens = sampled(sampler)
    assert sampler.logprob == pytest.approx(math.log(probability(tokens)))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([0.3, 0.8, 1.5]), st.sampled_from([1.0, 0.9]))
def test_none_comes_twice(seed: int, temperature: float, top_p: float) -> None:
    found = draw(60, Sampling(temperature, top_p, 0.0, 0), seed=seed)
    assert len(set(found)) == 60


def test_all_there_are_come_and_then_all_again() -> None:
    everything = 7 + 7 * 7 + 7 * 7 * 7  # of one, two and three tokens before the end
    found = draw(everything + 5)
    assert len(set(found[:everything])) == everything
    assert len(set(found)) == everything


def test_the_second_comes_as_often_as_it_would_if_repetitions_were_thrown_away() -> None:
    firsts, seconds, rounds = Counter(), Counter(), 3000
    for seed in range(rounds):
        first, second = draw(2, seed=1000 * seed)
        firsts[first] += 1
        seconds[second] += 1
    likely = [tokens for tokens, _ in firsts.most_common(6)]
    for tokens in likely:
        assert firsts[tokens] / rounds == pytest.approx(probability(tokens), abs=0.035)
    every = [(a, b, c) for a in range(1, 8) for b in range(8) for c in range(8)]
    outcomes = {tokens[: tokens.index(END) + 1] if END in tokens else (*tokens, END) for tokens in every}
    chances = {tokens: probability(tokens) for tokens in outcomes}
    assert sum(chances.values()) == pytest.approx(1)
    for tokens in likely:
        share = sum(p * chances[tokens] / (1 - p) for other, p in chances.items() if other != tokens)
        assert seconds[tokens] / rounds == pytest.approx(share, abs=0.035)


def test_what_was_cut_off_may_come_again() -> None:
    """Only what is told to have ended counts as drawn."""
    trees = Trees()
    found = [sampled(trees.sampler(Distinct("key", n, {}), [1], Sampling(0.1, 1.0, 0.0, n))) for n in range(5)]
    assert len(set(found)) < 5


def test_ends_may_be_told_again_and_of_strangers() -> None:
    trees = Trees()
    first = sampled(trees.sampler(Distinct("key", 1, {}), [1], WARM))
    told = {1: len(first), 77: 3, 1000: 10**6}
    others = [sampled(trees.sampler(Distinct("key", 2 + n, told), [1], WARM)) for n in range(40)]
    assert first not in others


def test_the_greedy_sample_is_the_likeliest_and_does_not_come_again() -> None:
    trees = Trees()
    greedy = sampled(trees.sampler(Distinct("key", 1, {}), [1], Sampling(0.0, 1.0, 0.0, 1)))
    assert all(token == logits(greedy[:at]).argmax() for at, token in enumerate(greedy))
    cold = Sampling(0.05, 1.0, 0.0, 2)  # which would else be the same again
    assert sampled(trees.sampler(Distinct("key", 2, {1: len(greedy)}), [1], cold)) != greedy


def test_ways_of_sampling_know_of_each_others_ends() -> None:
    trees, done = Trees(), []
    for number in range(40):
        way = Sampling((0.5, 1.0)[number % 2], 1.0, 0.0, number)
        ended = {earlier: len(tokens) for earlier, tokens in enumerate(done)}
        done.append(sampled(trees.sampler(Distinct("key", number, ended), [1], way)))
    assert len(set(done)) == 40


def test_keys_and_prompts_know_nothing_of_each_other() -> None:
    trees, cold = Trees(), Sampling(0.05, 1.0, 0.0, 1)
    first = sampled(trees.sampler(Distinct("key", 1, {}), [1], cold))
    ended = {1: len(first)}
    assert sampled(trees.sampler(Distinct("other", 2, ended), [1], cold)) == first
    assert sampled(trees.sampler(Distinct("key", 2, ended), [1, 1], cold)) == first


@given(st.lists(st.sampled_from([b"x", b" ", b"\n", b"#", b"    ", b"\n\n    ", b"a\n", b": "]), max_size=12))
def test_a_line_is_kept_from_its_beginning_and_nothing_else_is(pieces: list[bytes]) -> None:
    avoided = Avoided(numpy.array([2]), at_start=True)
    for piece in pieces:
        avoided.feed(piece)
    line = b"".join(pieces).rpartition(b"\n")[2]
    given_logits = numpy.arange(4, dtype=numpy.float32)
    left = avoided.without(given_logits)
    assert numpy.array_equal(given_logits, numpy.arange(4))
    assert math.isinf(left[2]) == (not line.strip())
    assert numpy.array_equal(numpy.delete(left, 2), [0, 1, 3])
