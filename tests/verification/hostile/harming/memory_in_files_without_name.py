"""Fills memory by files that have no name (memfd_create), and are in no process's memory."""

import os


def f(world):
    total = 0
    for _ in range(16):
        try:
            number = os.memfd_create("x")
            for _ in range(32):
                total += os.write(number, b"x" * (1 << 20))
        except OSError:
            break
    if total > 300 << 20:
        print("HARM holds", total >> 20, "MiB")
