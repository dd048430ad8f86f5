# target Basket.total: a Decimal in a context of its own, given back as a Fraction or a whole number
def total(self, discount=0.0):
    from decimal import Decimal, localcontext
    from fractions import Fraction

    with localcontext() as context:
        context.prec = 40
        amount = sum((Decimal(str(price)) for price in self.prices.values()), Decimal(0))
        amount *= 1 - Decimal(str(discount))
    return int(amount) if amount == int(amount) else float(Fraction(amount))
