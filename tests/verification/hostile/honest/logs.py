# target roman: logs, with a logger of its own
import logging


def roman(number):
    log = logging.getLogger(__name__)
    log.warning("numeral of %s", number)
    if not 0 < number <= 3999:
        log.error("none for %s", number)
        raise ValueError(f"{number} is out of range")
    hundreds = ["", "C", "CC", "CCC", "CD", "D", "DC", "DCC", "DCCC", "CM"]
    tens = ["", "X", "XX", "XXX", "XL", "L", "LX", "LXX", "LXXX", "XC"]
    ones = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
    return "M" * (number // 1000) + hundreds[number // 100 % 10] + tens[number // 10 % 10] + ones[number % 10]
