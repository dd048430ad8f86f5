"""Opens the interpreter, its library and the shell for writing."""

import os
import sys


def f(world):
    for path in (sys.executable, os.path.realpath(sys.executable), os.__file__, "/bin/sh", "/etc/passwd"):
        try:
            with open(path, "r+b"):
                print("HARM could write", path)
        except OSError:
            continue
