"""Forks children that each start the next and end, so that no process lives long enough to be found."""

import os
import sys
import time

SECONDS = 1.0
CODE = "import os, sys; os.fork() and os._exit(0); os.setsid(); os.execv(sys.executable, [sys.executable, '-S', '-c', sys.argv[1], *sys.argv[1:]])"  # noqa: E501


def f(world):
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-S", "-c", CODE, CODE, world.mark])
    time.sleep(20)
