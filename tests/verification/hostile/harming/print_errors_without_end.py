"""Prints to stderr without end."""

import os


def f(world):
    while True:
        os.write(2, b"x" * 65536)
