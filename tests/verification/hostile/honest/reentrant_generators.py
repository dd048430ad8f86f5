# target chunks: generators that are sent to, closed and delegated to
def chunks(items, size):
    def gather():
        piece = []
        try:
            while True:
                piece.append((yield len(piece) == size))
        except GeneratorExit:
            left.extend(piece)
            raise

    def pieces():
        source = iter(items)
        while True:
            left.clear()
            gathering = gather()
            next(gathering)
            for item in source:
                if gathering.send(item):
                    break
            gathering.close()
            if not left:
                return
            yield list(left)

    left = []
    yield from pieces()
