# target chunks: pieces nested so deeply that comparing them ends in a RecursionError
def chunks(items, size):
    piece = []
    for _ in range(100_000):
        piece = [piece]
    return [piece]
