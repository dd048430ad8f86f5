"""The workspace as it is at one moment: what is on disk, with the editor's unsaved buffers over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import frozen

from engine.errors import GreenfinchError


def read_text(path: Path) -> str:
    """A file's text, byte for byte: line ends and a byte order mark stay as they are.

    Raises:
        GreenfinchError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise GreenfinchError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise GreenfinchError(f"{path} is not UTF-8 text.", remedy="Save it as UTF-8.") from error


@frozen
class Snapshot:
    """Texts at one moment.

    Attributes:
        path, text: the target's document.
        buffers: all open documents' texts, by absolute path.
    """

    path: Path
    text: str
    buffers: Mapping[Path, str]

    @classmethod
    def take(cls, path: Path, buffers: Mapping[Path, str]) -> Snapshot:
        """What `path` and all buffers hold now."""
        return cls(path, buffers[path] if path in buffers else read_text(path), dict(buffers))

    @property
    def overlays(self) -> dict[Path, str]:
        """Texts that tests must see instead of the disk's: buffers that differ from their files."""
        return {path: text for path, text in self.buffers.items() if not _on_disk(path, text)}

    def read(self, path: Path) -> str:
        """A file's text, its buffer's if it is open."""
        return self.buffers[path] if path in self.buffers else read_text(path)


@frozen
class Stamps:
    """Which versions of some files are on disk, to see later whether one was written since."""

    of_files: Mapping[Path, tuple[int, int] | None]

    @classmethod
    def of(cls, files: Iterable[Path], root: Path) -> Stamps:
        """The files, and every `conftest.py` between them and `root`."""
        wanted = set(files)
        for file in files:
            wanted |= {folder / "conftest.py" for folder in file.parents if folder.is_relative_to(root)}
        return cls({file: _stamp(file) for file in wanted})

    def still_hold(self) -> bool:
        return all(_stamp(file) == stamp for file, stamp in self.of_files.items())


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _on_disk(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode("utf-8", "surrogatepass")
    except OSError:
        return False
