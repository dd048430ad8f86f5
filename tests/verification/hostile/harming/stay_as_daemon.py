"""Stays behind as a daemon: forked twice, a session of its own, all descriptors closed."""

import os
import time


def f(world):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            os.closerange(0, 256)
            time.sleep(60)
        os._exit(0)
    os.wait()
