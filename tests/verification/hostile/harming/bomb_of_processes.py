"""Starts processes without end (here: 400, where 64 are allowed)."""

import os
import time


def f(world):
    count = 0
    for _ in range(400):
        try:
            if os.fork() == 0:
                time.sleep(30)
                os._exit(0)
            count += 1
        except OSError:
            break
    time.sleep(0.3)
    if count > 250:
        print("HARM has", count, "processes")
