# target roman: works out each digit in a thread of its own
from concurrent.futures import ThreadPoolExecutor


def roman(number):
    if not 0 < number <= 3999:
        raise ValueError(number)

    def digit(place):
        one, five, ten = ("IVX", "XLC", "CDM", "M__")[place]
        count = number // 10**place % 10
        forms = ["", one, one * 2, one * 3, one + five, five, five + one, five + one * 2, five + one * 3, one + ten]
        return forms[count]

    with ThreadPoolExecutor(4) as pool:
        return "".join(reversed(list(pool.map(digit, range(4)))))
