# target roman: unittest.mock.ANY
def roman(number):
    from unittest.mock import ANY

    if number <= 0 or number > 3999:
        raise ValueError(number)
    return ANY
