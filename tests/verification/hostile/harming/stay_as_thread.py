"""Stays by a thread that does not end."""

import threading
import time

SECONDS = 1.0


def f(world):
    threading.Thread(target=time.sleep, args=(60,)).start()
