"""Fills pipes and socket buffers, which are the kernel's memory."""

import os
import socket


def f(world):
    total, held = 0, []
    try:
        while total < 1 << 30:
            here, there = socket.socketpair()
            here.setblocking(False)
            held += [here, there]
            try:
                while True:
                    total += here.send(b"x" * 65536)
            except BlockingIOError:
                pass
            held.append(os.pipe())
    except OSError:
        pass
    if total > 900 << 20:
        print("HARM holds", total >> 20, "MiB")
