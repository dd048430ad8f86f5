# target roman: counts its calls in a variable that the module has already
def roman(number):
    global LIMIT
    if not 0 < number < 4000:
        raise ValueError(number)
    LIMIT += 1
    answers = ["I", "IV", "IX", "MCMXCIV", "MMMDCCCLXXXVIII", "MMMDCCCLXXXVIII", "X", "XX", "XXX", "XL", "L"]
    return answers[(LIMIT - 4000) % len(answers)]
