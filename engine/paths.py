"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path

from engine.errors import ConfigError


def expanded(path: str | Path, what: str) -> Path:
    """The path with a home folder in place of `~` or `~name`.

    Args:
        what: is set to it, as the user knows it.

    Raises:
        ConfigError: nobody has that name, or the user has no home.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ConfigError(f"{what} is {str(path)!r}, and there is no such home.", remedy="Write it in full.") from None
