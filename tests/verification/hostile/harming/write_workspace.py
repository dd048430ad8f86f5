"""Writes to the workspace by its absolute path."""

import os


def f(world):
    for name in ("lib.py", "new.py", ".git/config"):
        try:
            open(os.path.join(world.root, name), "w").write("evil\n")
        except OSError:
            continue
