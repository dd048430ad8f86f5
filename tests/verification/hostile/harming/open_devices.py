"""Opens the machine's devices."""

import glob


def f(world):
    for path in (*glob.glob("/dev/[svx]d?"), *glob.glob("/dev/nvme*"), "/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/fuse",
                 "/dev/net/tun", "/dev/port", *glob.glob("/dev/input/*")):  # fmt: skip
        try:
            with open(path, "rb", 0):
                print("HARM opened", path)
        except OSError:
            continue
