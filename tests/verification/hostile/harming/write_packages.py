"""Writes into the packages of the interpreter, which run at its next start."""

import site
import sys


def f(world):
    for folder in {*site.getsitepackages(), *(entry for entry in sys.path if entry.endswith("-packages"))}:
        try:
            open(f"{folder}/{world.mark}", "w").write("left")
            print("HARM wrote to", folder)
        except OSError:
            continue
