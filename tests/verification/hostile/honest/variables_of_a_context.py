# target roman: what is left to do is kept in variables of a context that is copied
def roman(number):
    import contextvars

    if not 0 < number < 4000:
        raise ValueError(number)
    rest = contextvars.ContextVar("rest")
    text = contextvars.ContextVar("text", default="")

    def write():
        for value, letters in zip((1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
                                  "M CM D CD C XC L XL X IX V IV I".split()):  # fmt: skip
            text.set(text.get() + letters * (rest.get() // value))
            rest.set(rest.get() % value)
        return text.get()

    rest.set(number)
    return contextvars.copy_context().run(write)
