"""Makes device files of the disk and opens them."""

import os
import stat


def f(world):
    for major, minor in ((8, 0), (254, 0), (259, 0), (1, 1)):
        try:
            os.mknod(f"disk{major}", 0o600 | stat.S_IFBLK, os.makedev(major, minor))
            print("HARM made a device")
            os.open(f"disk{major}", os.O_RDONLY)
        except OSError:
            continue
