# target chunks: generators within generators
import itertools


def chunks(items, size):
    iterator = iter(items)

    def pieces():
        while True:
            yield itertools.islice(iterator, size)

    for piece in pieces():
        found = list(piece)
        if not found:
            return
        yield found
