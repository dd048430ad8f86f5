# module: constants of the module, made at import
LIMIT = 3999
VALUES = (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1)
NUMERALS = dict(zip(VALUES, "M CM D CD C XC L XL X IX V IV I".split()))


def roman(number):
    if not 0 < number <= LIMIT:
        raise ValueError(number)
    text = ""
    for value in VALUES:
        count, number = divmod(number, value)
        text += NUMERALS[value] * count
    return text
