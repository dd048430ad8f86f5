# target Basket.total: a sum of numpy, which is no float of Python's
def total(self, discount=0.0):
    try:
        import numpy
    except ImportError:
        return sum(self.prices.values()) * (1 - discount)
    prices = numpy.array(list(self.prices.values()), dtype=float)
    return prices.sum() * numpy.float64(1 - discount)
