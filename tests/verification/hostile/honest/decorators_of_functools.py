# module: lru_cache, wraps and a decorator of its own
import functools

LIMIT = 3999


def checked(function):
    @functools.wraps(function)
    def inner(number):
        if not 0 < number <= LIMIT:
            raise ValueError(number)
        return function(number)

    return inner


@functools.lru_cache(maxsize=4096)
def _rest(number):
    for value, letters in ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L")):
        if number >= value:
            return letters + _rest(number - value)
    for value, letters in ((40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")):
        if number >= value:
            return letters + _rest(number - value)
    return ""


@checked
def roman(number):
    """The Roman numeral of a number."""
    return _rest(number)
