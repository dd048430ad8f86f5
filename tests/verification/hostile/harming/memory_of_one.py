"""Fills memory alone (here: up to 1 GiB, where 256 MiB are allowed)."""


def f(world):
    held = []
    for count in range(1, 17):
        held.append(b"x" * (64 << 20))
        if count > 8:
            print("HARM holds", count * 64, "MiB")
