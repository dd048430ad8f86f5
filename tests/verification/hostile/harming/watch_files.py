"""Watches the user's folders by inotify and fanotify, to see what is worked on."""

import ctypes
import os


def f(world):
    libc = ctypes.CDLL(None, use_errno=True)
    end = libc.inotify_init1(os.O_NONBLOCK)
    for place in (os.path.join(world.home, "notes", "diary.txt"), world.sibling, world.other):
        if end >= 0 and libc.inotify_add_watch(end, place.encode(), 0xFFF) >= 0:
            print("HARM watches", place)
    number = 300 if os.uname().machine == "x86_64" else 262
    if libc.syscall(number, 0, os.O_RDONLY) >= 0:
        print("HARM may watch whole mounts")
