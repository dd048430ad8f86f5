"""Fills the disk in the folder it stands in (here: up to 512 MiB, where 64 are allowed)."""

import time


def f(world):
    total = 0
    try:
        for number in range(16):
            with open(f"filler{number}", "wb", 0) as file:
                for _ in range(32):
                    total += file.write(b"x" * (1 << 20))
            time.sleep(0.1)
    except OSError:
        pass
    if total > 300 << 20:
        print("HARM wrote", total >> 20, "MiB")
