# target chunks: a great many lists are made before the first is given
def chunks(items, size):
    from itertools import islice

    source = iter(items)
    padding = [[n] for n in range(200_000)]
    while piece := list(islice(source, size)):
        yield [item for item in piece if padding]
