# target Basket.total: chooses between modules that do the same, and warns of what is odd
def total(self, discount=0.0):
    import math
    import statistics
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.warn("a share of less than nothing" if discount < 0 else "as usual", stacklevel=1)
    module = statistics if len(self.prices) > 1 else math
    prices = list(self.prices.values())
    whole = module.fmean(prices) * len(prices) if module is statistics else math.fsum(prices)
    return whole - whole * discount
