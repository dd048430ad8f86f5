"""Fills memory that processes share, which is nobody's own."""

import mmap
import os
import time


def f(world):
    for _ in range(8):
        if os.fork() == 0:
            held = mmap.mmap(-1, 100 << 20)
            for offset in range(0, 100 << 20, 4096):
                held[offset] = 1
            time.sleep(30)
    time.sleep(1.5)
    print("HARM holds 800 MiB of shared memory")
