"""Reads the memory of another process, by its file and by process_vm_readv."""

import ctypes


def f(world):
    buffer = ctypes.create_string_buffer(8)
    local = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
    remote = (ctypes.c_void_p * 2)(world.address, 8)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.process_vm_readv(world.victim, local, 1, remote, 1, 0) == 8:
        print("HARM read memory by process_vm_readv")
    try:
        with open(f"/proc/{world.victim}/mem", "rb", 0) as memory:
            memory.seek(world.address)
            if memory.read(8):
                print("HARM read memory by its file")
    except OSError:
        pass
