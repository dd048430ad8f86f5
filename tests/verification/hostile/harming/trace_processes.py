"""Attaches to its parent and to another process as a debugger."""

import ctypes
import os


def f(world):
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in (os.getppid(), world.victim):
        if libc.ptrace(16, pid, None, None) == 0:
            os.waitpid(pid, 0x40000000)
            libc.ptrace(17, pid, None, None)
            print("HARM attached")
