"""Sleeps for ever."""

import time

SECONDS = 1.0


def f(world):
    time.sleep(3600)
