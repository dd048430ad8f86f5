"""Reads a file outside the home folder that anybody on this machine may read."""


def f(world):
    try:
        print(open(world.other).read())
    except OSError:
        pass
