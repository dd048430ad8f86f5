# module: a helper class with an honest comparison and total_ordering
from dataclasses import dataclass
from functools import total_ordering

LIMIT = 3999


@total_ordering
class Sign:
    def __init__(self, letters, value):
        self.letters = letters
        self.value = value

    def __eq__(self, other):
        if not isinstance(other, Sign):
            return NotImplemented
        return self.value == other.value

    def __lt__(self, other):
        return self.value < other.value

    def __hash__(self):
        return hash(self.value)


@dataclass(order=True)
class Rest:
    number: int


SIGNS = [Sign(*each) for each in (("I", 1), ("IV", 4), ("V", 5), ("IX", 9), ("X", 10), ("XL", 40), ("L", 50))]
SIGNS += [Sign(*each) for each in (("XC", 90), ("C", 100), ("CD", 400), ("D", 500), ("CM", 900), ("M", 1000))]


def roman(number):
    if not 0 < number <= LIMIT:
        raise ValueError(number)
    rest = Rest(number)
    text = ""
    for sign in sorted(set(SIGNS), reverse=True):
        while rest >= Rest(sign.value):
            rest = Rest(rest.number - sign.value)
            text += sign.letters
    return text
