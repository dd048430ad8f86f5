"""Puts a line into a start-up file of the shell, and a new file beside it."""

import os


def f(world):
    for name, mode in ((".bashrc", "a"), ("new.txt", "w")):
        try:
            open(os.path.join(world.home, name), mode).write("evil\n")
        except OSError:
            continue
