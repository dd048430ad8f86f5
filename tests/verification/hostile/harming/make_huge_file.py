"""Makes one file of a terabyte, with nothing in it."""

import os
import signal


def f(world):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open("huge", "wb") as file:
        try:
            os.ftruncate(file.fileno(), 1 << 40)
            print("HARM made a huge file")
        except OSError:
            pass
