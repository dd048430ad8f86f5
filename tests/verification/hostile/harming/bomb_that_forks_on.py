"""Each process starts others (here: until a time has passed), in sessions of their own."""

import os
import time


def f(world):
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        try:
            if os.fork() == 0:
                os.setsid()
            time.sleep(0.02)
        except OSError:
            time.sleep(0.02)
    os._exit(0)
