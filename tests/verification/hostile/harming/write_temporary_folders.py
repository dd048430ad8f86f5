"""Leaves files in the machine's temporary folders."""


def f(world):
    for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/var/lock"):
        try:
            open(f"{folder}/{world.mark}", "w").write("left")
        except OSError:
            continue
