"""The tests decide: an implementation is kept when all of them pass."""

import pytest
from textkit import caesar, roman, truncate, word_counts


def test_word_counts():
    assert word_counts("The cat and the dog.") == {"the": 2, "cat": 1, "and": 1, "dog": 1}


def test_word_counts_of_nothing():
    assert word_counts("...") == {}


@pytest.mark.parametrize(("number", "numeral"), [(1, "I"), (4, "IV"), (9, "IX"), (40, "XL"), (1994, "MCMXCIV")])
def test_roman(number, numeral):
    assert roman(number) == numeral


def test_caesar():
    assert caesar("Hello, World!", 3) == "Khoor, Zruog!"


def test_caesar_wraps_around():
    assert caesar("xyz", 3) == "abc"
    assert caesar("abc", -3) == "xyz"


def test_truncate():
    assert truncate("hello world", 8) == "hello..."
    assert truncate("hello", 5) == "hello"
