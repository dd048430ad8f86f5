"""Locks the user's files and those of the workspace, so that others wait for them."""

import fcntl
import os


def f(world):
    for place in (world.other, world.sibling, os.path.join(world.home, ".bashrc")):
        try:
            end = os.open(place, os.O_RDONLY)
            fcntl.flock(end, fcntl.LOCK_EX | fcntl.LOCK_NB)
            print("HARM locked", place)
        except OSError:
            continue
