# target roman: remembers what it has worked out, on the function itself
def roman(number):
    if not hasattr(roman, "known"):
        roman.known = {}
    if number in roman.known:
        return roman.known[number]
    if not 0 < number <= 3999:
        raise ValueError(number)
    rest, text = number, ""
    for value, letters in zip((1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1), "M CM D CD C XC L XL X IX V IV I".split()):  # fmt: skip  # noqa: E501
        text += letters * (rest // value)
        rest %= value
    roman.known[number] = text
    return text
