"""Moves itself to another control group, where other limits hold."""

import glob
import os


def f(world):
    for path in glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True)[:50]:
        try:
            os.close(os.open(path, os.O_WRONLY))
            print("HARM could write", path)
        except OSError:
            continue
