# target roman: prints what it does
def roman(number):
    print("asked for", number)
    if not 0 < number <= 3999:
        raise ValueError(number)
    text = ""
    for value, letters in ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"),
                           (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")):  # fmt: skip
        while number >= value:
            text += letters
            number -= value
    print("->", text)
    return text
