"""Makes links in the workspace that lead outside, and writes through them."""

import os


def f(world):
    for number, target in enumerate((world.sibling, world.other, os.path.join(world.home, ".bashrc"))):
        try:
            os.symlink(target, f"link{number}")
            open(f"link{number}", "a").write("evil\n")
        except OSError:
            continue
