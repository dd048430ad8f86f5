"""Leaves something for the next run: in shared memory, in queues of messages, in files that only memory holds."""

import ctypes
import os
import pathlib


def f(world):
    libc = ctypes.CDLL(None, use_errno=True)
    key = 0x6F1C
    if libc.shmget(key, 4096, 0) >= 0:
        print("HARM found the segment of an earlier run")
    libc.shmget(key, 4096, 0o1666)
    libc.msgget(key, 0o1666)
    libc.mq_open(b"/greenfinch-left", os.O_CREAT | os.O_RDWR, 0o666, None)
    for place in ("/dev/shm", "/tmp", "/run", "/var/tmp", world.home):
        file = pathlib.Path(place) / f"{world.mark}-left"
        try:
            if file.exists():
                print("HARM found", file)
            file.write_text("left")
        except OSError:
            continue
