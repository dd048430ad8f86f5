"""Fills memory by many processes, each of which stays below its limit."""

import os
import time


def f(world):
    for _ in range(8):
        if os.fork() == 0:
            held = b"x" * (100 << 20)
            time.sleep(30 + len(held[:0]))
    time.sleep(1.0)
    print("HARM holds 800 MiB in 8 processes")
