"""Kills another process of the user's."""

import os


def f(world):
    try:
        os.kill(world.victim, 9)
    except OSError:
        pass
