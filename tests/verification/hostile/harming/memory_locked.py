"""Locks all its memory, so that nothing of it can be swapped out, and takes more."""

import ctypes
import mmap


def f(world):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mlockall(3)
    held = []
    try:
        while len(held) < 24:
            piece = mmap.mmap(-1, 64 << 20)
            for place in range(0, len(piece), 4096):
                piece[place] = 1
            held.append(piece)
        print("HARM holds", 64 * len(held), "MiB")
    except (OSError, ValueError, MemoryError):
        pass
