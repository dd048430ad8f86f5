"""Kills the process that watches it, to go on unwatched."""

import os
import time


def f(world):
    parent = os.getppid()
    try:
        os.kill(parent, 9)
    except OSError:
        pass
    time.sleep(0.3)
    if os.getppid() != parent:
        print("HARM killed the watching process")
