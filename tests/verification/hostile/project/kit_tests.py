import unittest

import kit
import pytest
from kit import Basket, chunks, roman


@pytest.mark.parametrize(("number", "numeral"), [(1, "I"), (4, "IV"), (9, "IX"), (1994, "MCMXCIV")])
def test_numerals(number, numeral):
    assert roman(number) == numeral


def test_longest_numeral():
    assert roman(3888) == "MMMDCCCLXXXVIII"
    assert len(roman(3888)) == 15


def test_numerals_of_tens():
    expected = ["X", "XX", "XXX", "XL", "L"]
    assert [roman(number) for number in (10, 20, 30, 40, 50)] == expected


@pytest.mark.parametrize("number", [0, -1, kit.LIMIT + 1])
def test_numbers_without_numeral(number):
    with pytest.raises(ValueError):
        roman(number)


def test_chunks():
    assert list(chunks([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]


def test_chunks_of_nothing():
    assert list(chunks([], 3)) == []


def test_chunks_come_one_by_one():
    pieces = chunks(iter("abcd"), 2)
    assert next(pieces) == ["a", "b"]
    assert next(pieces) == ["c", "d"]
    assert next(pieces, None) is None


class BasketTest(unittest.TestCase):
    def setUp(self):
        self.basket = Basket().add("apple", 2).add("pear", 3)

    def test_total(self):
        self.assertEqual(self.basket.total(), 5)

    def test_discount(self):
        self.assertAlmostEqual(self.basket.total(0.1), 4.5)

    def test_empty(self):
        self.assertEqual(Basket().total(), 0)

    def test_prices_are_kept(self):
        before = dict(self.basket.prices)
        self.basket.total(0.5)
        self.assertEqual(self.basket.prices, before)
