# module: recursion kept by functools.lru_cache, which is cleared when it is large
from functools import lru_cache

LIMIT = 3999
PAIRS = list(zip((1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1), "M CM D CD C XC L XL X IX V IV I".split()))


@lru_cache(maxsize=64)
def written(number):
    for value, letters in PAIRS:
        if number >= value:
            return letters + written(number - value)
    return ""


def roman(number):
    if not 0 < number <= LIMIT:
        raise ValueError(number)
    if written.cache_info().currsize > 60:
        written.cache_clear()
    return written(number)
