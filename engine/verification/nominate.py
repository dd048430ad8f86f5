"""Static nomination: which test files may reach a target.  Reads texts; runs nothing.

Files that mention the target by name are nominated; if there are none, those that import its module.  Whether they
really reach it is for the baseline to find out.  Quick enough for a code-action request: a text is read again only
when its file has changed.
"""

from __future__ import annotations

import configparser
import fnmatch
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import field, frozen

DEFAULT_PATTERNS = ("test_*.py", "*_test.py", "tests.py")
CONFIG_FILES = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
SKIPPED = frozenset({"node_modules", "__pycache__", "build", "dist", "site-packages", "venv", "env"})
MOST_ENTRIES = 50_000  # of folders walked; beyond it nomination goes by what was seen
LARGEST = 1 << 20  # bytes of a test file that is read


@frozen
class Nomination:
    """Attributes:
    files: nominated, in the order of their paths.
    why: `name` (they mention the target), `module` (they import its module) or empty.
    looked_in: how many test files were read, and patterns, for the text of an error.
    """

    files: tuple[Path, ...]
    why: str
    seen: int
    patterns: tuple[str, ...] = field(default=DEFAULT_PATTERNS)

    @property
    def looked_in(self) -> str:
        return f"{self.seen} test file{'' if self.seen == 1 else 's'} ({', '.join(self.patterns)})"


def nominate(root: Path, buffers: Mapping[Path, str], target: Path, names: Iterable[str]) -> tuple[Path, ...]:
    """The test files that may reach any of `names` in `target`; see `nomination`."""
    return nomination(root, buffers, target, names).files


def nomination(root: Path, buffers: Mapping[Path, str], target: Path, names: Iterable[str]) -> Nomination:
    """Find test files under `root` that mention the target.

    Args:
        buffers: unsaved texts by absolute path; they override the disk, and may be files that it does not have.
        target: the file of the target; it is not nominated itself, whatever its name.
        names: qualified names of the target's functions; of a method, its class counts
            as a mention, and failing that its own name.
    """
    patterns, folders = _configured(root, buffers)
    files = [path for path in _test_files(root, buffers, patterns, folders) if path != target]
    texts = [(path, buffers[path] if path in buffers else _read(path)) for path in files]
    for words in _needles(names):
        mentioning = tuple(path for path, text in texts if any(_mentions(text, word) for word in words))
        if mentioning:
            return Nomination(mentioning, "name", len(files), patterns)
    imports = _import_pattern(root, target)
    return Nomination(tuple(path for path, text in texts if imports.search(text)), "module", len(files), patterns)


def _needles(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Words to look for, the telling ones first: the functions or the classes that tests can name, then the methods."""
    qualnames = [name.split(".") for name in names if name]
    yield tuple(dict.fromkeys(parts[0] for parts in qualnames))
    yield tuple(dict.fromkeys(parts[-1] for parts in qualnames if len(parts) > 1 and not parts[-1].startswith("__")))


def _mentions(text: str, word: str) -> bool:
    return word in text and re.search(rf"\b{re.escape(word)}\b", text) is not None


def _import_pattern(root: Path, target: Path) -> re.Pattern[str]:
    """Matches an import of the target's module, by its name or, for a package's `__init__`, the package's."""
    place = target.parent if target.stem == "__init__" else target.with_suffix("")
    stem = re.escape(place.name if place != root else target.stem)
    return re.compile(rf"^\s*(?:from\s+[\w.]*\b{stem}\s+import\b|(?:from\s+[\w.]+\s+)?import\s[^#\n]*\b{stem}\b)", re.M)


def _configured(root: Path, buffers: Mapping[Path, str]) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """`python_files` and `testpaths` of pytest's configuration at the root, added to the usual patterns."""
    for name in CONFIG_FILES:
        path = root / name
        text = buffers[path] if path in buffers else _read(path)
        section = _pytest_section(name, text) if "pytest" in text else None
        if section is not None:
            patterns = tuple(dict.fromkeys((*DEFAULT_PATTERNS, *_words(section.get("python_files")))))
            folders = tuple(root / word for word in _words(section.get("testpaths")))
            return patterns, tuple(folder for folder in folders if folder.exists())
    return DEFAULT_PATTERNS, ()


def _pytest_section(name: str, text: str) -> Mapping[str, object] | None:
    try:
        if name == "pyproject.toml":
            tool = tomllib.loads(text).get("tool", {}).get("pytest")
            return None if tool is None else tool.get("ini_options", tool)
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read_string(text)
        section = "tool:pytest" if name == "setup.cfg" else "pytest"
        return parser[section] if parser.has_section(section) else None
    except (tomllib.TOMLDecodeError, configparser.Error, AttributeError):
        return None  # pytest itself will complain about it


def _words(value: object) -> list[str]:
    return value.split() if isinstance(value, str) else [str(word) for word in value] if isinstance(value, list) else []


def _test_files(
    root: Path, buffers: Mapping[Path, str], patterns: tuple[str, ...], folders: tuple[Path, ...]
) -> list[Path]:
    """Under the configured `testpaths` alone, if these exist and hold any test file; else everywhere."""
    unsaved = [path for path in buffers if path.is_relative_to(root) and _is_test_file(path.name, patterns)]
    found = {path for folder in folders for path in _walk(folder, patterns)} or set(_walk(root, patterns))
    return sorted(found.union(unsaved))


def _is_test_file(name: str, patterns: tuple[str, ...]) -> bool:
    return name.endswith(".py") and name != "conftest.py" and any(fnmatch.fnmatch(name, p) for p in patterns)


def _walk(folder: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    if folder.is_file():
        yield folder
        return
    matcher = re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))
    pending = [str(folder)]
    count = 0
    while pending and count < MOST_ENTRIES:
        try:
            with os.scandir(pending.pop()) as found:
                entries = list(found)
        except OSError:
            continue  # unreadable, or gone meanwhile
        count += len(entries)
        if any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        for entry in entries:
            name = entry.name
            if name.endswith(".py"):
                if name != "conftest.py" and matcher.match(name):
                    yield Path(entry.path)
            elif not name.startswith(".") and name not in SKIPPED and entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)


_texts: dict[Path, tuple[int, int, str]] = {}


def _read(path: Path) -> str:
    """The file's text, remembered by its time and size; empty if there is none that can be read."""
    try:
        found = path.stat()
        known = _texts.get(path)
        if known and known[:2] == (found.st_mtime_ns, found.st_size):
            return known[2]
        text = path.read_text("utf-8", "replace") if found.st_size <= LARGEST else ""
    except OSError:
        return ""
    if len(_texts) > 5_000:
        _texts.clear()
    _texts[path] = (found.st_mtime_ns, found.st_size, text)
    return text
