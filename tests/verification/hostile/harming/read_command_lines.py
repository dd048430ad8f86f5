"""Reads the command lines of the user's other processes."""


def f(world):
    try:
        if open(f"/proc/{world.victim}/cmdline").read():
            print("HARM read the command line of another process")
    except OSError:
        pass
