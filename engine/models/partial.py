"""A download on its way: hashed as it is written, refused unless it is the catalogue's file, resumed after a break."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from engine.errors import DownloadError
from engine.models.catalogue import ModelEntry
from engine.models.store import difference

Report = Callable[[int, str], None]
"""Called with the bytes that are here so far, and with what is being done; whatever it raises ends the pull."""

BLOCK = 1 << 20


class SourceError(Exception):
    """One source of a model cannot be used; the next one may.  The text says why, in one line."""


class Partial:
    """An incomplete file, open for appending.

    Args:
        resume: keep what the file holds (it is read once, for its hash); else begin anew.
    """

    def __init__(self, path: Path, report: Report, *, resume: bool) -> None:
        self.path = path
        self.size = 0
        self._report = report
        self._digest = hashlib.sha256()
        self._file = path.open("a+b" if resume else "w+b")
        self._file.seek(0)
        while block := self._file.read(BLOCK):
            self._add(block)
            report(self.size, "reading what was downloaded before")

    def __enter__(self) -> Partial:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, block: bytes, activity: str) -> None:
        """Append `block` and report it."""
        self._file.write(block)
        self._add(block)
        self._report(self.size, activity)

    def restart(self) -> None:
        """Drop what is there."""
        self._file.truncate(0)
        self._file.seek(0)
        self.size = 0
        self._digest = hashlib.sha256()

    def finish(self, entry: ModelEntry) -> Path:
        """Make sure that this is the entry's file, down to the disk; anything else is removed.

        Raises:
            SourceError: saying what was expected and what came.
        """
        wrong = difference(entry, self.size, self._digest.hexdigest())
        if wrong:
            self._file.close()
            self.path.unlink()
            raise SourceError(f"what came is not {entry.file} and was refused: {wrong}")
        self._file.flush()
        os.fsync(self._file.fileno())
        return self.path

    def _add(self, block: bytes) -> None:
        self._digest.update(block)
        self.size += len(block)


def ensure_space(folder: Path, needed: int) -> None:
    """Refuse to begin what cannot end: `needed` more bytes must fit on the disk of `folder`.

    Raises:
        DownloadError: naming both numbers.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadError(
            f"The download needs {needed / 1e6:,.0f} MB in {folder}, where {free / 1e6:,.0f} MB are free.",
            remedy="Make room, or set GREENFINCH_MODELS to a folder on a larger disk.",
        )
