"""Looks for tokens among its environment variables."""

import os


def f(world):
    print(dict(os.environ))
