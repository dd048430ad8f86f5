"""The tests decide: an implementation is kept when all of them pass."""

import pytest
from textkit import parse_duration, roman, slugify, wrap


def test_slug_joins_words():
    assert slugify("Hello World") == "hello-world"


def test_slug_drops_punctuation():
    assert slugify("  What's new, in 2026?! ") == "what-s-new-in-2026"


def test_slug_of_nothing():
    assert slugify("--- !") == ""


@pytest.mark.parametrize(("number", "numeral"), [(1, "I"), (4, "IV"), (9, "IX"), (40, "XL"), (1994, "MCMXCIV")])
def test_roman(number, numeral):
    assert roman(number) == numeral


def test_duration_of_one_unit():
    assert parse_duration("45s") == 45
    assert parse_duration("2h") == 7200


def test_duration_of_many_units():
    assert parse_duration("1h30m") == 5400
    assert parse_duration("2d 4h") == 187200


@pytest.mark.parametrize("text", ["", "soon", "5 apples"])
def test_not_a_duration(text):
    with pytest.raises(ValueError):
        parse_duration(text)


def test_wrap_fills_lines():
    assert wrap("the quick brown fox", 10) == ["the quick", "brown fox"]


def test_wrap_keeps_long_words_whole():
    assert wrap("a extraordinary b", 5) == ["a", "extraordinary", "b"]


def test_wrap_of_nothing():
    assert wrap("", 5) == []
