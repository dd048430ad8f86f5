"""Copies of a workspace for cells that cannot lay a layer over it, kept in step with it between runs."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import anyio
from anyio import from_thread, to_thread
from attrs import define, field

from engine.errors import SandboxError
from engine.temporary import temporary_folder

SKIPPED = frozenset(
    {".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", ".tox", ".nox", ".mypy_cache", ".ruff_cache",
     ".pytest_cache", ".hypothesis", ".idea", ".vscode"}
)  # fmt: skip
MOST_FILES = 20_000
MOST_BYTES = 1 << 30

Stamp = tuple[int, int, int]  # size, and a time and an inode that a change of the file cannot keep


def _stamp(found: os.stat_result, *, of_copy: bool) -> Stamp:
    return (found.st_size, found.st_ctime_ns if of_copy else found.st_mtime_ns, found.st_ino)


@define
class Shadow:
    """One copy.  `known` has, by relative path, the stamps of the original and of its copy when they were equal."""

    root: Path
    path: Path
    known: dict[str, tuple[Stamp, Stamp]] = field(factory=dict)

    def refresh(self) -> None:
        """Make the copy equal to the workspace again, whatever a run has done to it.

        Raises:
            SandboxError: the workspace is too large to be copied.
        """
        wanted: dict[str, os.stat_result] = {}
        total = 0
        for relative, found in _walk(self.root):
            wanted[relative] = found
            total += found.st_size if stat.S_ISREG(found.st_mode) else 0
            if len(wanted) > MOST_FILES or total > MOST_BYTES:
                raise SandboxError(
                    f"{self.root} is too large to be copied for the tests (over {MOST_FILES} files or 1 GiB).",
                    remedy="Open the folder of one project, or allow user namespaces, which need no copy.",
                )
        _open_folders(self.path.parent)
        self.path.mkdir(exist_ok=True)
        self._remove_strays(wanted)
        for relative, found in wanted.items():
            from_thread.check_cancelled()
            self._renew(relative, found)

    def _remove_strays(self, wanted: dict[str, os.stat_result]) -> None:
        for folder, folders, files in os.walk(self.path, topdown=False):
            for name in (*files, *folders):
                place = Path(folder, name)
                relative = place.relative_to(self.path).as_posix()
                kind = wanted.get(relative)
                if kind is not None and stat.S_IFMT(kind.st_mode) == stat.S_IFMT(place.lstat().st_mode):
                    continue
                self.known.pop(relative, None)
                if place.is_dir() and not place.is_symlink():
                    shutil.rmtree(place, ignore_errors=True)
                else:
                    place.unlink(missing_ok=True)

    def _renew(self, relative: str, found: os.stat_result) -> None:
        source, copy = self.root / relative, self.path / relative
        if stat.S_ISDIR(found.st_mode):
            copy.mkdir(exist_ok=True)
            return
        original = _stamp(found, of_copy=False)
        try:
            if self.known.get(relative) == (original, _stamp(copy.lstat(), of_copy=True)):
                return
            copy.unlink()
        except FileNotFoundError:
            pass
        try:
            if stat.S_ISLNK(found.st_mode):
                target = source.readlink()
                inside = target.is_absolute() and target.is_relative_to(self.root)
                copy.symlink_to(self.path / target.relative_to(self.root) if inside else target)
            else:
                shutil.copy2(source, copy)
        except (FileNotFoundError, PermissionError):
            self.known.pop(relative, None)
            return  # it went away meanwhile, or tests run as this user could not read it either
        self.known[relative] = (original, _stamp(copy.lstat(), of_copy=True))


def _open_folders(root: Path) -> None:
    """Let this user into `root` and every folder below it again: a run may have closed some."""
    pending = [root]
    while pending:
        folder = pending.pop()
        with suppress(OSError):  # it goes away meanwhile
            mode = folder.lstat().st_mode
            if mode & stat.S_IRWXU != stat.S_IRWXU:
                folder.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)
            with os.scandir(folder) as entries:
                pending += [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]


def _remove(folder: Path) -> None:
    _open_folders(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Folders before what is in them; nothing of version control, virtual environments and caches."""
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue  # unreadable, or gone
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder and (entry.name in SKIPPED or Path(entry.path, "pyvenv.cfg").is_file()):
                continue
            if not (is_folder or entry.is_file(follow_symlinks=False) or entry.is_symlink()):
                continue  # a socket or a pipe
            yield Path(entry.path).relative_to(root).as_posix(), found
            if is_folder:
                pending.append(Path(entry.path))


@contextmanager
def copying(root: Path) -> Iterator[None]:
    """What is done in it writes the copy of `root`.

    Raises:
        SandboxError: it could not be written; with the remedy.
    """
    try:
        yield
    except OSError as error:
        raise SandboxError(
            f"The copy of {root} that tests run in could not be made: {error.strerror or error}.",
            remedy="Make room, or set TMPDIR to a folder with more.  Where user namespaces are allowed, none is made.",
        ) from error


class Shadows:
    """As many copies as there are runs at once; each is refreshed before it is lent."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder: Path | None = None
        self._idle: list[Shadow] = []
        self._made = 0

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[Shadow]:
        """A copy that is equal to the workspace now."""
        with copying(self.root):
            shadow = self._idle.pop() if self._idle else self._another()
        try:
            with copying(self.root):
                await to_thread.run_sync(shadow.refresh)
            yield shadow
        finally:
            self._idle.append(shadow)

    def _another(self) -> Shadow:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="greenfinch-", dir=temporary_folder()))
        self._made += 1
        shadow = Shadow(self.root, self._folder / str(self._made) / self.root.name)
        shadow.path.parent.mkdir()
        return shadow

    async def aclose(self) -> None:
        """Remove all copies."""
        if self._folder is not None:
            folder, self._folder = self._folder, None
            self._idle.clear()
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(_remove, folder)
