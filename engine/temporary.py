"""Where temporary files go; never the working folder, which `tempfile` falls back to and may be the user's project."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from pathlib import Path

_VARIABLES = ("TMPDIR", "TEMP", "TMP")
_USUAL = ("/tmp", "/var/tmp", "/usr/tmp")  # noqa: S108 - compared with, not written to


def temporary_folder() -> Path:
    """The folder that `tempfile` would use.

    Raises:
        OSError: none of the usual ones can be written to, or their disks are full.
    """
    chosen = [str(Path(os.environ[name]).absolute()) for name in _VARIABLES if os.environ.get(name)]
    try:
        found = tempfile.gettempdir()
    except FileNotFoundError:
        found = ""
    usual = found in (*chosen, *_USUAL) if sys.platform != "win32" else found != str(Path.cwd())
    if not found or not usual:
        tried = ", ".join(dict.fromkeys((*chosen, *_USUAL))) if sys.platform != "win32" else "TEMP and TMP"
        raise OSError(errno.ENOSPC, f"no folder for temporary files can be written to (tried {tried})")
    return Path(os.path.realpath(found))
