"""The workspace as it is at one moment: what is on disk, with the editor's unsaved buffers over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import frozen

from engine.errors import GreenfinchError
from engine.request import ImplementRequest
from engine.verification.configuration import DECISIVE

_CONFIGURATION = frozenset({".toml", ".ini", ".cfg"})


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
        buffers: the texts of the workspace's open documents, by absolute path; those outside it are nobody's matter.
    """

    path: Path
    text: str
    buffers: Mapping[Path, str]

    @classmethod
    def take(cls, request: ImplementRequest) -> Snapshot:
        """What the target's document and the workspace's buffers hold now.

        Raises:
            GreenfinchError: the document cannot be read.
        """
        roots = (request.root, request.root.resolve())
        buffers = {
            path: text for path, text in request.buffers().items() if any(path.is_relative_to(root) for root in roots)
        }
        path = request.path
        return cls(path, buffers[path] if path in buffers else read_text(path), buffers)

    @property
    def overlays(self) -> dict[Path, str]:
        """Texts that tests must see instead of the disk's: buffers that differ from their files."""
        return {path: text for path, text in self.buffers.items() if not _on_disk(path, text)}

    def read(self, path: Path) -> str:
        """A file's text, its buffer's if it is open.

        Raises:
            GreenfinchError: it cannot be read.
        """
        return self.buffers[path] if path in self.buffers else read_text(path)

    def glance(self, path: Path) -> str:
        """The same, but empty for a file that cannot be read."""
        try:
            return self.read(path)
        except GreenfinchError:
            return ""


@frozen
class Evidence:
    """What a verdict was about: the files that the tests read, as they were, on disk and in buffers.

    Attributes:
        files: the files, and what configures their tests or would if it were there.
        stamps: which versions of them are on disk.
        texts: what open documents among them held.
    """

    files: frozenset[Path]
    stamps: Mapping[Path, tuple[int, int] | None]
    texts: Mapping[Path, str]

    @classmethod
    def of(cls, snapshot: Snapshot, files: Iterable[Path], root: Path) -> Evidence:
        """The evidence of a run that saw `snapshot` and read `files`."""
        wanted = {*files, snapshot.path}
        folders = {folder for file in wanted for folder in file.parents if folder.is_relative_to(root)}
        wanted |= {folder / name for folder in folders for name in DECISIVE}
        wanted |= {path for path in snapshot.buffers if path.suffix in _CONFIGURATION}
        texts = {path: text for path, text in snapshot.buffers.items() if path in wanted}
        return cls(frozenset(wanted), {file: _stamp(file) for file in wanted}, texts)

    def holds(self, request: ImplementRequest) -> bool:
        """Whether all of it is still so."""
        try:
            now = Snapshot.take(request)
        except GreenfinchError:
            return False
        texts = {path: text for path, text in now.buffers.items() if path in self.files}
        return texts == self.texts and all(_stamp(file) == stamp for file, stamp in self.stamps.items())


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
