"""Mounts, and makes writable what is mounted read-only."""

import ctypes
import errno
import os


def f(world):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", os.fsencode(world.empty), b"tmpfs", 0, None) == 0:
        print("HARM mounted")
        libc.umount2(os.fsencode(world.empty), 2)
    if libc.mount(b"none", b"/usr", None, 32 | 4096, None) == 0:
        print("HARM made /usr writable")
    for place in (b"/dev/shm", b"/proc", b"/tmp"):
        libc.umount2(place, 4)  # MNT_EXPIRE: the first time, it does not unmount but says that it could
        if ctypes.get_errno() in (errno.EAGAIN, errno.EBUSY):
            print("HARM could unmount", place)
