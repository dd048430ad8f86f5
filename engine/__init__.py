"""Greenfinch's engine: samples candidates from a local model and keeps the one on which the user's tests pass.

This package knows nothing of editors or of the Language Server Protocol.  `engine.session.Engine` is its one door.
"""


def version() -> str:
    """Greenfinch's version as it is installed."""
    from importlib.metadata import PackageNotFoundError, version  # slow to import, seldom needed

    try:
        return version("greenfinch")
    except PackageNotFoundError:  # run from a tree that was never installed
        return "0+unknown"
