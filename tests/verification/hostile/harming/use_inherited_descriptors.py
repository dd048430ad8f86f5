"""Writes to every descriptor it finds open besides the three standard ones."""

import os


def f(world):
    for number in range(3, 1024):
        try:
            os.fstat(number)
            print("HARM found descriptor", number)
            os.write(number, b'{"status": 0}\n')
        except OSError:
            continue
