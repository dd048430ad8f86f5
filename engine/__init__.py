"""Greenfinch's engine: samples candidates from a local model and keeps the one on which the user's tests pass.

This package knows nothing of editors or of the Language Server Protocol.  `engine.session.Engine` is its one door.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("greenfinch")
except PackageNotFoundError:  # run from a tree that was never installed
    __version__ = "0+unknown"
