"""Makes more files than a disk has room for (here: 60,000 empty ones)."""

import os
import time


def f(world):
    count = 0
    try:
        for folder in range(60):
            os.mkdir(f"d{folder}")
            for number in range(1000):
                os.close(os.open(f"d{folder}/{number}", os.O_CREAT | os.O_WRONLY))
                count += 1
    except OSError:
        pass
    time.sleep(0.6)
    if count == 60_000:
        print("HARM made", count, "files")
