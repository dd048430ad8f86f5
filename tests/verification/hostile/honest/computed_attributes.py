# target Basket.total: looks up a method by a computed name
class Basket:
    def total(self, discount=0.0):
        kind = "values" if discount >= 0 else "items"
        prices = getattr(self.prices, kind)()
        return sum(prices) * (1 - discount)
