"""Makes hard links to files outside, to write to them here."""

import os


def f(world):
    for number, target in enumerate((world.sibling, world.other, os.path.join(world.home, ".bashrc"))):
        for folder in (".", world.root, "/tmp"):
            try:
                os.link(target, f"{folder}/{world.mark}{number}")
                print("HARM linked", target)
            except OSError:
                continue
