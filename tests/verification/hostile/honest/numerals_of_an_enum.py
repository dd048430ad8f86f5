# module: an Enum with methods, a Flag and a text of an enum's members
import enum

LIMIT = 3999


class Numeral(enum.IntEnum):
    M, CM, D, CD, C, XC, L, XL, X, IX, V, IV, I = 1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1  # noqa: E741

    def times(self, number):
        return self.name * (number // self)


class Kind(enum.Flag):
    LOW = enum.auto()
    HIGH = enum.auto()


def roman(number):
    kind = (Kind.LOW if number < 1 else Kind(0)) | (Kind.HIGH if number > LIMIT else Kind(0))
    if kind:
        raise ValueError(f"{number} is {kind!r}")
    parts = []
    for numeral in Numeral:
        parts.append(numeral.times(number))
        number %= numeral
    return "".join(parts)
