"""How this program runs modules of its own in processes of their own: from its installation, and from nowhere else.

A user's project may have a folder `engine`, too, and nothing confines these processes.  So what comes before installed
packages is left out: PYTHONPATH, and the working folder (`-P`), which is a neutral one besides.
"""

from __future__ import annotations

import os
import sys


def command(module: str, *arguments: str) -> list[str]:
    """Runs `module` with this interpreter; to be started in `neutral_folder` and with `environment`."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """This process's own, without PYTHONPATH."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def neutral_folder() -> str:
    """A folder that is there for as long as this program is, and that no project lies in."""
    return sys.prefix if sys.platform == "win32" else "/"
