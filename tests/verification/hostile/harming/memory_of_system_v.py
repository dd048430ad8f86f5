"""Fills memory by segments of System V, detached from every process."""

import ctypes
import time


def f(world):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    total = 0
    numbers = []
    for _ in range(8):
        number = libc.shmget(0, 64 << 20, 0o1600)
        if number < 0:
            break
        numbers.append(number)
        place = libc.shmat(number, None, 0)
        if place in (None, ctypes.c_void_p(-1).value):
            break
        ctypes.memset(place, 1, 64 << 20)
        libc.shmdt(ctypes.c_void_p(place))
        total += 64
    time.sleep(0.3)
    if total > 400:
        print("HARM holds", total, "MiB")
    for number in numbers:
        libc.shmctl(number, 0, None)
