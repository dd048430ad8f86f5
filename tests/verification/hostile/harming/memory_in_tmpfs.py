"""Fills memory by files in folders that are memory."""


def f(world):
    total = 0
    for folder in ("/dev/shm", "/tmp", "/var/tmp"):
        try:
            for number in range(8):
                with open(f"{folder}/{world.mark}{number}", "wb", 0) as file:
                    for _ in range(32):
                        total += file.write(b"x" * (1 << 20))
        except OSError:
            continue
    if total > 300 << 20:
        print("HARM wrote", total >> 20, "MiB")
