"""Becomes root in namespaces of its own, by every call that makes them."""

import ctypes
import os


def f(world):
    libc = ctypes.CDLL(None, use_errno=True)
    if os.fork() == 0:
        if libc.unshare(0x10000000) == 0:
            print("HARM unshared a user namespace")
        os._exit(0)
    os.wait()
    if os.uname().machine == "x86_64":
        pid = libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)
        if pid == 0:
            os._exit(0)
        if pid > 0:
            print("HARM cloned a user namespace")
