"""Opens settings of the kernel that programs of its own could be started by."""

import os


def f(world):
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger",
                 "/proc/sys/fs/binfmt_misc/register", "/sys/kernel/uevent_helper"):  # fmt: skip
        try:
            os.close(os.open(path, os.O_WRONLY))
            print("HARM could write", path)
        except OSError:
            continue
