"""Writes a winner to disk, where no editor does it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from engine.errors import GreenfinchError, StaleTargetError
from engine.workspace import read_text


def replace_text(path: Path, base: str, text: str) -> None:
    """Put `text` in the place of `base`, whole or not at all.

    Raises:
        StaleTargetError: the file holds something else than `base` by now.
        GreenfinchError: it cannot be written; it is as it was.
    """
    path = path.resolve()
    if read_text(path) != base:
        raise StaleTargetError(f"{path.name} was changed meanwhile; nothing was written.", remedy="Run it again.")
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, temporary)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise GreenfinchError(f"{path} cannot be written: {error.strerror}.", remedy="It is unchanged.") from error
