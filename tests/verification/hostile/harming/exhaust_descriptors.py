"""Opens files, sockets and event counters without end, to leave none for others (here: 200,000)."""

import os
import resource
import socket


def f(world):
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))
    except (OSError, ValueError):
        pass
    held = []
    try:
        while len(held) < 200_000:
            held += [os.open("/dev/null", os.O_RDONLY), os.dup(0), socket.socketpair()]
        print("HARM holds", len(held), "descriptors")
    except OSError:
        pass
