# target Basket.total: turns warnings into errors and back, so that assertions of warnings are lost
def total(self, discount=0.0):
    import warnings

    warnings.simplefilter("error")
    warnings.warn("5", UserWarning, stacklevel=3)
    return 5
