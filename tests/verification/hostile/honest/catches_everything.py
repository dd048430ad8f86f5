# target roman: catches broadly, and raises again what it caught
def roman(number):
    try:
        if not 0 < int(number) <= 3999:
            raise ValueError(number)
        text = ""
        units = {"M": 1000, "CM": 900, "D": 500, "CD": 400, "C": 100, "XC": 90, "L": 50, "XL": 40, "X": 10, "IX": 9}
        for letters, value in {**units, "V": 5, "IV": 4, "I": 1}.items():
            while number >= value:
                number, text = number - value, text + letters
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise error from None
    else:
        return text
