"""What differs by language.  One language is one subpackage that implements `engine.languages.base.Language`."""

from __future__ import annotations

from pathlib import Path

from engine.languages.base import Language


def language_for(path: Path) -> Language | None:
    """The language of a file, by its name; None if Greenfinch does not know it."""
    from engine.languages.python import Python

    return next((language for language in (Python(),) if language.handles(path)), None)
