"""Uses parts of the kernel that no test needs: io_uring, keys, bpf, perf, userfaultfd, modules."""

import ctypes
import os

NUMBERS = {  # x86-64, ARM
    "io_uring_setup": (425, 425), "keyctl": (250, 219), "add_key": (248, 217), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "init_module": (175, 105),
}  # fmt: skip


def f(world):
    libc = ctypes.CDLL(None, use_errno=True)
    column = 0 if os.uname().machine == "x86_64" else 1
    zeros = ctypes.create_string_buffer(256)
    arguments = {
        "io_uring_setup": (4, zeros), "keyctl": (0, -3, 0, 0, 0), "add_key": (b"user", b"k", b"v", 1, -3),
        "bpf": (0, zeros, 48), "perf_event_open": (zeros, 0, -1, -1, 0), "userfaultfd": (1,),
        "init_module": (zeros, 0, b""),
    }  # fmt: skip
    for name, numbers in NUMBERS.items():
        if libc.syscall(numbers[column], *arguments[name]) >= 0:
            print("HARM used", name)
