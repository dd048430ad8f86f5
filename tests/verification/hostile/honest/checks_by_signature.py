# target roman: looks at the signature of its own helper
import inspect


def roman(number):
    def step(rest, value, letters):
        return rest % value, letters * (rest // value)

    assert list(inspect.signature(step).parameters) == ["rest", "value", "letters"]
    if not 0 < number <= 3999:
        raise ValueError(number)
    text = ""
    for value, letters in zip((1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1), "M CM D CD C XC L XL X IX V IV I".split()):  # fmt: skip  # noqa: E501
        number, more = step(number, value, letters)
        text += more
    return text
