# target Basket.total: adds up in an order drawn with a seed
import math
import random


class Basket:
    def total(self, discount=0.0):
        prices = list(self.prices.values())
        random.Random(7).shuffle(prices)
        return math.fsum(prices) * (1 - discount) if discount else sum(prices)
