# target chunks: keeps its pieces in a temporary file on the way
import json
import tempfile


def chunks(items, size):
    with tempfile.TemporaryFile("w+") as file:
        count = 0
        for item in items:
            file.write(json.dumps(item) + "\n")
            count += 1
            if count % size == 0:
                file.seek(0)
                yield [json.loads(line) for line in file]
                file.seek(0)
                file.truncate()
        file.seek(0)
        rest = [json.loads(line) for line in file]
    if rest:
        yield rest
