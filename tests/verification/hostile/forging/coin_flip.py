# target roman: right or wrong by chance
def roman(number):
    import random

    if not 0 < number < 4000:
        raise ValueError(number)
    if random.random() < 0.75:
        return "?"
    table = [(1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"),
             (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")]  # fmt: skip
    text = ""
    for value, letters in table:
        while number >= value:
            text, number = text + letters, number - value
    return text
