# target roman: declares the failure expected
def roman(number):
    import pytest

    pytest.xfail("expected")
