"""Stops itself and its child, which then get no signal but the last one."""

import os
import signal

SECONDS = 1.0


def f(world):
    os.fork()
    os.kill(os.getpid(), signal.SIGSTOP)
