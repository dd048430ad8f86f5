"""Small tools."""

LIMIT = 3999


def roman(number):
    """The Roman numeral of a number from 1 to 3999.

    Raises ValueError for any other.
    """
    raise NotImplementedError


def chunks(items, size):
    """Lists of `size` items each, one after another; the last may be shorter."""
    raise NotImplementedError


class Basket:
    """Things to buy, each with a price."""

    def __init__(self):
        self.prices = {}

    def add(self, name, price):
        """Put a thing in; returns the basket."""
        self.prices[name] = price
        return self

    def total(self, discount=0.0):
        """The sum of all prices, less a share of it."""
        raise NotImplementedError
