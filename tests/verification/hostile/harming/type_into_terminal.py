"""Types a command into the terminal (TIOCSTI), by each descriptor and by /dev/tty."""

import fcntl
import os


def f(world):
    numbers = [0, 1, 2]
    try:
        numbers.append(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        pass
    for number in numbers:
        for request in (0x5412, 0x541C):
            try:
                fcntl.ioctl(number, request, b"\n")
                print("HARM typed into a terminal")
            except OSError:
                continue
