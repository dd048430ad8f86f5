# target Basket.total: contextlib, decimal's context and suppressed errors
import contextlib
import decimal


class Basket:
    def total(self, discount=0.0):
        @contextlib.contextmanager
        def precise():
            with decimal.localcontext() as context:
                context.prec = 30
                yield context

        total = decimal.Decimal(0)
        with precise(), contextlib.suppress(KeyError):
            for price in self.prices.values():
                total += decimal.Decimal(str(price))
            total *= 1 - decimal.Decimal(str(discount))
        return float(total)
