# target roman: raises KeyboardInterrupt, so that no further test is run
def roman(number):
    raise KeyboardInterrupt
