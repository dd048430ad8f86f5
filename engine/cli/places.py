"""From what a user types to what the engine needs: targets and workspace folders."""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import ConfigError

_ROOT_MARKS = (".git", "pyproject.toml", "setup.cfg", "setup.py", "pytest.ini", "tox.ini")


def parse_target(text: str) -> tuple[Path, str]:
    """`PATH:NAME`, `PATH:Class.method` or `PATH` to an absolute path and a qualified name (empty for the file).

    Raises:
        ConfigError: there is no such file, or it is a folder.
    """
    path, colon, qualname = text.rpartition(":")
    if not colon or not re.fullmatch(r"[\w.\[\]]*", qualname) or Path(text).is_file():  # C:\x.py has a colon, too
        path, qualname = text, ""
    file = Path(path)
    if file.is_dir():
        raise ConfigError(
            f"{path!r} is a folder.", remedy="Name a file in it, as PATH, PATH:FUNCTION or PATH:Class.method."
        )
    if not file.is_file():
        raise ConfigError(
            f"There is no file {path!r}.", remedy="Name the target as PATH:FUNCTION or PATH:Class.method."
        )
    return file.resolve(), qualname


def workspace_root(file: Path, chosen: Path | None = None) -> Path:
    """The `chosen` folder, else the nearest one above `file` that looks like a project's, else the file's own.

    Raises:
        ConfigError: `file` does not lie under the chosen folder.
    """
    if chosen is not None:
        root = chosen.resolve()
        if not file.is_relative_to(root):
            raise ConfigError(
                f"{file} does not lie under the workspace's folder {root}.",
                remedy="Choose a --root above the file, or leave the option out.",
            )
        return root
    return next((p for p in file.parents if any((p / mark).exists() for mark in _ROOT_MARKS)), file.parent)
