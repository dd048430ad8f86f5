"""Looks for tokens in the environment of every process, of the first one above all."""

import os


def f(world):
    for name in ("1", *os.listdir("/proc")):
        try:
            print(open(f"/proc/{name}/environ", errors="replace").read())
        except OSError:
            continue
