"""The environment that tests get: the user's, without what looks like a secret, and made quiet."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_SECRET = re.compile(
    r"TOKEN|KEY|SECRET|PASSW|PASSPHRASE|CREDENTIAL|COOKIE|AUTH_SOCK|_AUTH$|_PWD$|_PAT$|AGENT_INFO|DBUS_|XAUTHORITY",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(r"^TOKENIZERS_|KEYBOARD|KEYMAP|KEYTIMEOUT", re.IGNORECASE)
_WITH_PASSWORD = re.compile(r"://[^/@\s:]*:[^/@\s]+@")
_DROPPED = {
    "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY",  # the way out
    "TMPDIR", "TEMP", "TMP",  # the cell has its own
    "PYTHONHOME", "PYTHONSTARTUP", "PYTHONPYCACHEPREFIX", "PYTHONINSPECT", "__PYVENV_LAUNCHER__",  # another Python's
}  # fmt: skip
_SET = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONIOENCODING": "utf-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NO_COLOR": "1",
}


def clean_environment(
    prefix: Path | None = None, executable: Path | None = None, environment: Mapping[str, str] | None = None,
    passed: Sequence[str] = (),
) -> dict[str, str]:  # fmt: skip
    """What tests see of `environment` (this process's own by default).

    Args:
        prefix: the virtual environment that the tests run in, if it is one.
        executable: the tests' Python; its folder comes first on PATH, as if its environment were activated.
        passed: names of variables that the user lets through, whatever they look like.
    """
    environment = os.environ if environment is None else environment
    kept = {name: value for name, value in environment.items() if name in passed or not is_secret(name, value)}
    kept.update(_SET)
    kept.pop("VIRTUAL_ENV", None)
    if prefix is not None:
        kept["VIRTUAL_ENV"] = str(prefix)
    if executable is not None:
        kept["PATH"] = os.pathsep.join(filter(None, (str(executable.parent), kept.get("PATH", os.defpath))))
    if sys.platform != "win32":
        kept.setdefault("LANG", "C.UTF-8")
    return kept


def is_secret(name: str, value: str = "") -> bool:
    """Whether a variable is kept from tests: its name or value looks like a secret, or it leads out of the cell."""
    if name in _DROPPED or name.startswith("GREENFINCH_"):
        return True
    if _WITH_PASSWORD.search(value):
        return True
    return bool(_SECRET.search(name)) and not _NO_SECRET.search(name)
