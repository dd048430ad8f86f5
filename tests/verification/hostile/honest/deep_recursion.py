# target roman: recursion deeper than usual, with a limit of its own
import sys


def roman(number):
    if not 0 < number <= 3999:
        raise ValueError(number)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 20000))

    def ones(count):
        return "" if count == 0 else "I" + ones(count - 1)

    try:
        text = ones(number)
    finally:
        sys.setrecursionlimit(limit)
    for many, few in (("I" * 5, "V"), ("VV", "X"), ("X" * 5, "L"), ("LL", "C"), ("C" * 5, "D"), ("DD", "M")):
        text = text.replace(many, few)
    for many, few in (
        ("DCCCC", "CM"),
        ("CCCC", "CD"),
        ("LXXXX", "XC"),
        ("XXXX", "XL"),
        ("VIIII", "IX"),
        ("IIII", "IV"),
    ):
        text = text.replace(many, few)
    return text
