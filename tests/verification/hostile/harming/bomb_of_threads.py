"""Starts threads without end (here: 400, where 64 are allowed)."""

import threading
import time


def f(world):
    threading.stack_size(65536)
    count = 0
    try:
        for _ in range(400):
            threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
            count += 1
    except RuntimeError:
        pass
    time.sleep(0.3)
    if count > 250:
        print("HARM has", count, "threads")
