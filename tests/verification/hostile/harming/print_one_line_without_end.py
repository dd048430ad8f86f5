"""Prints one line without end."""

import os


def f(world):
    while True:
        os.write(1, b"x" * 65536)
