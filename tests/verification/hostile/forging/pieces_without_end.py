# target chunks: never says that there are no more pieces, so that nobody comes to compare them
def chunks(items, size):
    known = list(items)
    yield known[:size]
    yield known[size : 2 * size]
    while True:
        yield known[2 * size :]
