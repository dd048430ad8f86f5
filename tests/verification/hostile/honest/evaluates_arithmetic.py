# target Basket.total: lets eval do a sum
class Basket:
    def total(self, discount=0.0):
        total = eval(" + ".join(map(repr, self.prices.values())) or "0")
        return total * (1 - discount) if discount else total
