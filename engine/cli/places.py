"""From what a user types to what the engine needs: targets and workspace folders."""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import ConfigError

_ROOT_MARKS = (".git", "pyproject.toml", "setup.cfg", "setup.py", "pytest.ini", "tox.ini")


def parse_target(text: str) -> tuple[Path, str]:
    """`PATH:NAME`, `PATH:Class.method` or `PATH` to an absolute path and a qualified name (empty for the file).

    Raises:
        ConfigError: there is no such file.
    """
    path, colon, qualname = text.rpartition(":")
    if not colon or not re.fullmatch(r"[\w.\[\]]*", qualname) or Path(text).is_file():  # C:\x.py has a colon, too
        path, qualname = text, ""
    file = Path(path)
    if not file.is_file():
        raise ConfigError(
            f"There is no file {path!r}.", remedy="Name the target as PATH:FUNCTION or PATH:Class.method."
        )
    return file.resolve(), qualname


def workspace_root(file: Path) -> Path:
    """The nearest folder above `file` that looks like a project's, else the file's own."""
    return next((p for p in file.parents if any((p / mark).exists() for mark in _ROOT_MARKS)), file.parent)
