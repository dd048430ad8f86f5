"""Sends a signal to every process there is, and to the group of its parent."""

import os
import signal


def f(world):
    for number in (-1, -os.getppid(), world.victim):
        try:
            os.kill(number, signal.SIGWINCH)
        except OSError:
            continue
