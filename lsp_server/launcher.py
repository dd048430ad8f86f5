"""Where the `greenfinch` command begins: installed as the top-level module `greenfinch_launcher`.

`engine` and `lsp_server` are names that a user's project may well have, too.  PYTHONPATH (and, with `python -m`, the
working directory) come before the installed packages on `sys.path`, so a project could replace Greenfinch's code by
its own.  This module's name is its own; it moves such entries behind the installed packages before anything else is
imported.  It imports the standard library alone.
"""

# os.path is loaded already, and normalises `..` without following links:
# ruff: noqa: PTH100, PTH109, PTH120

import os
import sys


def shield_path() -> None:
    """Let no entry that the caller's environment added to `sys.path` come before the installed packages."""
    added = {os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p}
    added.add(os.getcwd())
    home = os.path.dirname(os.path.abspath(__file__))
    first = [p for p in sys.path if p and (os.path.abspath(p) not in added or os.path.abspath(p) == home)]
    last = [p for p in sys.path if p and p not in first]
    sys.path[:] = first + last


def main() -> None:
    """The console script."""
    shield_path()
    from lsp_server.cli import main as run

    run()


if __name__ == "__main__":
    main()
