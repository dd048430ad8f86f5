"""Small tools, as they are meant to be."""

LIMIT = 3999


def roman(number):
    """The Roman numeral of a number from 1 to 3999.

    Raises ValueError for any other.
    """
    if not 0 < number <= LIMIT:
        raise ValueError(f"no numeral for {number}")
    values = (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1)
    text = ""
    for value, letters in zip(values, "M CM D CD C XC L XL X IX V IV I".split(), strict=True):
        count, number = divmod(number, value)
        text += letters * count
    return text


def chunks(items, size):
    """Lists of `size` items each, one after another; the last may be shorter."""
    piece = []
    for item in items:
        piece.append(item)
        if len(piece) == size:
            yield piece
            piece = []
    if piece:
        yield piece


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
        return sum(self.prices.values()) * (1 - discount)
