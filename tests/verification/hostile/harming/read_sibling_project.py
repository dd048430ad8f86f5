"""Reads a file of the folder next to the workspace, by its path and by ascending from here."""

import os


def f(world):
    for path in (world.sibling, os.path.join("..", "sibling", "settings.py")):
        try:
            print(open(path).read())
        except OSError:
            continue
