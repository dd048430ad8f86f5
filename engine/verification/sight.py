"""What a confined command may see of the disk: programs, the tests' Python and its packages, and what a user opens.

An allow-list: of the home folder, of other users' files, of the workspace's neighbours nothing is shown unless Python
itself imports from there (an environment below home, a sibling project that is installed as editable).
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from engine.verification.interpreter import Interpreter

IDENTIFYING = frozenset({"/etc/machine-id"})
SYSTEM = tuple(
    map(
        Path,
        ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/etc", "/nix", "/gnu/store", "/snap",
         "/home/linuxbrew/.linuxbrew", "/run/current-system", "/run/opengl-driver", "/run/wrappers",
         "/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/kernel/mm/transparent_hugepage"),
    )
)  # fmt: skip
OF_A_PREFIX = ("bin", "lib", "lib64", "include", "pyvenv.cfg")
MOST_LINKS = 40


@frozen
class Openings:
    """What the user's settings open for the tests, at every level that closes it.

    Attributes:
        read, write: files and folders, absolute. network: the host's own, instead of a loopback of the cell's.
    """

    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    network: bool = False


@frozen
class Sight:
    """What is shown, read-only.

    Attributes:
        shown: paths without symbolic links in them.
        links: symbolic links on the way to these, with what they hold.
        private: what lies in these and is not for everybody.
    """

    shown: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    private: tuple[str, ...]


@frozen
class _Walk:
    """Paths, followed through their symbolic links."""

    shown: list[str] = field(factory=list)
    links: dict[str, str] = field(factory=dict)

    def follow(self, path: Path) -> Path | None:
        """Where `path` leads, its links noted; None if nothing is there."""
        pending = list(reversed(path.absolute().parts[1:]))
        place, count = Path("/"), 0
        while pending:
            part = pending.pop()
            if part == "..":
                place = place.parent
                continue
            step = place / part
            try:
                mode = step.lstat().st_mode
            except OSError:
                return None
            if not stat.S_ISLNK(mode):
                place = step
                continue
            count += 1
            if count > MOST_LINKS:
                return None
            target = step.readlink()
            self.links[str(step)] = str(target)
            if target.is_absolute():
                place = Path("/")
            pending.extend(reversed([piece for piece in target.parts if piece != "/"]))
        return place


def sight(root: Path, visible: Iterable[Path], openings: Openings, *, copied: bool = False) -> Sight:
    """What a command sees besides the workspace at `root`, which has no symbolic links in its path.

    Args:
        visible: what it needs; of a folder that holds home or the workspace, only what makes it a Python's prefix.
        copied: the workspace itself is not seen, but for Pythons in it.
    """
    walk = _Walk()
    home = home_folder()
    walk.follow(Path("~").expanduser() if home else Path("/"))  # for the links on the way there
    for path in (*SYSTEM, *openings.read, *openings.write):
        real = walk.follow(path)
        if real is not None:
            walk.shown.append(str(real))
    for path in visible:
        real = walk.follow(path)
        if real is None or (real.is_relative_to(root) and not (copied and _is_of_python(real, root))):
            continue
        if root.is_relative_to(real) or (home and home.is_relative_to(real)):
            parts = (walk.follow(real / name) for name in OF_A_PREFIX) if _is_prefix(real) else ()
            walk.shown.extend(str(part) for part in parts if part)
        else:
            walk.shown.append(str(real))
    if openings.network:
        names = walk.follow(Path("/etc/resolv.conf"))
        walk.shown.extend([str(names)] if names else [])
    return Sight(tuple(dict.fromkeys(walk.shown)), tuple(walk.links.items()), _private(Path("/etc")))


def home_folder() -> Path | None:
    """The user's, links followed; None if there is none worth the name."""
    home = Path(os.path.expanduser("~")).resolve()  # noqa: PTH111 - Path.home() raises where there is none
    return home if len(home.parts) > 1 and home.is_dir() else None


def _is_of_python(path: Path, root: Path) -> bool:
    """Whether a path in the workspace belongs to an environment there."""
    if _is_prefix(root):
        return path == root or path.relative_to(root).parts[0] in OF_A_PREFIX
    return any(_is_prefix(folder) for folder in (path, *path.parents) if folder.is_relative_to(root))


def _is_prefix(folder: Path) -> bool:
    return (folder / "pyvenv.cfg").is_file() or any((folder / "lib").glob("python3*"))


@lru_cache
def _private(folder: Path) -> tuple[str, ...]:
    """What in `folder` this user could read and others could not (keys and password hashes, if it is root), and what
    tells this machine from all others.
    """
    found = []
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            try:
                mode = path.lstat().st_mode
            except OSError:
                continue
            needed = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
            if not stat.S_ISLNK(mode) and mode & needed != needed and os.access(path, os.R_OK):
                found.append(str(path))
                if name in folders:
                    folders.remove(name)
            elif str(path) in IDENTIFYING and stat.S_ISREG(mode):
                found.append(str(path))
    return tuple(found)


def needed_by(python: Interpreter) -> tuple[Path, ...]:
    """What the tests' Python and its packages are made of, projects that are installed as editable among them."""
    folders = tuple(path for path in python.import_paths if path.is_absolute())
    stamps = tuple(_changed(folder) for folder in folders)
    return (python.path, python.prefix, python.base_prefix, *folders, *_editable(folders, stamps))


def _changed(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=16)
def _editable(folders: tuple[Path, ...], _stamps: tuple[int, ...]) -> tuple[Path, ...]:
    """The folders of projects that are installed as editable (PEP 610), wherever they are imported from.

    Folders that `.pth` files name are among the import paths already.
    """
    found = []
    for file in (file for folder in folders if folder.is_dir() for file in folder.glob("*.dist-info/direct_url.json")):
        try:
            told = json.loads(file.read_text("utf-8"))
            if told.get("dir_info", {}).get("editable") and told["url"].startswith("file:"):
                found.append(Path(unquote(urlsplit(told["url"]).path)))
        except (OSError, ValueError, KeyError, AttributeError):
            continue  # not what PEP 610 says: no editable project then
    return tuple(found)
