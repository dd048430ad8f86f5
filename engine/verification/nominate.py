"""Static nomination: which test files may reach a target.  Reads texts; runs nothing.

Files that mention the target by name are nominated, or a fixture or helper of the tests that does; if there are none,
those that call it through other functions of the project, then those that import its module, directly or not, then
texts with examples.  Whether they really reach it is for the baseline to find out, which asks for the next kind
if one reaches nothing.  Quick enough for a code-action request: a test file is read again only when it has changed.
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

from engine.verification.callers import ImportGraph, callers, mentions
from engine.verification.configuration import CONFIG_FILES

DEFAULT_PATTERNS = ("test_*.py", "*_test.py", "tests.py")
SKIPPED = frozenset({"node_modules", "__pycache__", "build", "dist", "site-packages", "venv", "env"})
MOST_ENTRIES = 50_000  # of folders walked; beyond it nomination goes by what was seen
LARGEST = 1 << 20  # bytes of a file that is read
LARGEST_TESTS = 16 << 20  # and of one of tests, which may be full of data
MOST_FILES = 30  # nominated otherwise than by name
IMPORT_ROUNDS = 4  # a test imports a, which imports b, ...


@frozen
class Nomination:
    """Attributes:
    files: nominated, in the order of their paths.
    why: `name` (they mention the target), `call` (what they mention leads to it), `module` (they import its module),
        `imports` (what they import does), `text` (a document with examples), or empty.
    seen, unread: test files there are, and those of them that are too large to be read.
    """

    files: tuple[Path, ...]
    why: str
    seen: int
    patterns: tuple[str, ...] = field(default=DEFAULT_PATTERNS)
    unread: int = 0

    @property
    def looked_in(self) -> str:
        """How many test files were read, and patterns, for the text of an error."""
        told = f"{self.seen} test file{'' if self.seen == 1 else 's'} ({', '.join(self.patterns)})"
        return f"{told}, {self.unread} of them not read: larger than {LARGEST_TESTS >> 20} MiB" if self.unread else told


def nomination(root: Path, buffers: Mapping[Path, str], target: Path, names: Iterable[str]) -> Nomination:
    """The first of `nominations`, or an empty one."""
    for found in nominations(root, buffers, target, names):
        return found
    patterns, folders = _configured(root, buffers)
    seen = [path for path in _test_files(root, buffers, patterns, folders) if path != target]
    return Nomination((), "", len(seen), patterns, sum(_is_too_large(path) for path in seen if path not in buffers))


def nominations(root: Path, buffers: Mapping[Path, str], target: Path, names: Iterable[str]) -> Iterator[Nomination]:
    """Test files that may reach the target, most likely ones first; none of them twice, and no nomination empty.

    Args:
        buffers: unsaved texts by absolute path; they override the disk, and may be files that it does not have.
        target: the file of the target; it is not nominated itself, whatever its name.
        names: qualified names of the target's functions; of a method, its class counts
            as a mention, and failing that its own name.
    """
    patterns, folders = _configured(root, buffers)
    files = [path for path in _test_files(root, buffers, patterns, folders) if path != target]
    texts = {path: buffers[path] if path in buffers else _read(path, LARGEST_TESTS) for path in files}
    unread = sum(_is_too_large(path) for path in files if path not in buffers)
    told: set[Path] = set()

    def nominated(found: Iterable[Path], why: str) -> Iterator[Nomination]:
        new = tuple(sorted(path for path in found if path not in told))
        new = new if why == "name" else new[:MOST_FILES]
        told.update(new)
        if new:
            yield Nomination(new, why, len(files), patterns, unread)

    helpers = _helpers(root, buffers, files)
    for group in _needles(names):
        yield from nominated(_by_mention(root, texts, helpers, group), "name")
    every = {path: buffers[path] if path in buffers else _read_once(path) for path in _walk(root, ("*.py",), True)}
    every |= texts
    words = tuple(word for group in _needles(names) for word in group)
    yield from nominated(_by_mention(root, texts, every, words), "call")
    graph = ImportGraph(root, every)
    for rounds, why in ((1, "module"), (IMPORT_ROUNDS, "imports")):
        importers = graph.importers(target, rounds)
        above = tuple(path.parent for path in importers if path.name == "conftest.py")
        yield from nominated((p for p in files if p in importers or any(map(p.is_relative_to, above))), why)
    documents = [path for path in _walk(root, ("*.txt", "*.rst")) if _has_examples(_read_once(path), words)]
    yield from nominated(documents, "text")


def _by_mention(
    root: Path, tests: Mapping[Path, str], others: Mapping[Path, str], words: Iterable[str]
) -> Iterator[Path]:
    """Test files with one of the words in them, or the name of something in `others` that leads to one: a fixture of
    a conftest above them, or what they import from there.
    """
    words = tuple(words)
    leading = callers(others, words)
    graph = ImportGraph(root, {**others, **tests}) if leading else None
    for path, text in tests.items():
        if mentions(text, words):
            yield path
            continue
        for name, places in leading.items() if graph else ():
            if mentions(text, (name,)) and any(_sees(path, place, graph) for place in places):
                yield path
                break


def _sees(test: Path, place: Path, graph: ImportGraph | None) -> bool:
    if place.name == "conftest.py":
        return test.is_relative_to(place.parent)
    return graph is not None and test in graph.importers(place, IMPORT_ROUNDS)


def _helpers(root: Path, buffers: Mapping[Path, str], tests: Iterable[Path]) -> dict[Path, str]:
    """What belongs to the tests without being one: the conftests above them, and modules in folders of tests."""
    folders: set[Path] = set()
    for path in tests:
        for folder in (path.parent, *path.parent.parents):
            if folder in folders:
                break
            folders.add(folder)
            if folder == root:
                break
    texts = {}
    for folder in folders:
        for path in _modules_of(folder, "test" in folder.name):
            texts[path] = buffers[path] if path in buffers else _read(path)
    unsaved = {path: text for path, text in buffers.items() if path.name == "conftest.py" and path.parent in folders}
    known = set(tests)
    return {path: text for path, text in {**texts, **unsaved}.items() if path not in known}


def _modules_of(folder: Path, of_tests: bool) -> list[Path]:
    """The folder's conftest; and its other modules, if it is one of tests or their names speak of tests."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(".py")]
    except OSError:
        return []
    return [folder / name for name in names if of_tests or "test" in name]


def _has_examples(text: str, words: Iterable[str]) -> bool:
    return ">>>" in text and mentions(text, words)


def _needles(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Words to look for, the telling ones first: the functions or the classes that tests can name, then the methods."""
    qualnames = [name.split(".") for name in names if name]
    yield tuple(dict.fromkeys(parts[0] for parts in qualnames))
    yield tuple(dict.fromkeys(parts[-1] for parts in qualnames if len(parts) > 1 and not parts[-1].startswith("__")))


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
        if name.endswith(".toml"):
            return tomllib.loads(text).get("pytest")
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


def _walk(folder: Path, patterns: tuple[str, ...], with_conftest: bool = False) -> Iterator[Path]:
    """Files whose names match one of the patterns; `conftest.py` is none of them, unless it is asked for."""
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
            if matcher.match(name):
                if name != "conftest.py" or with_conftest:
                    yield Path(entry.path)
            elif (
                not name.endswith(".py")
                and not name.startswith(".")
                and name not in SKIPPED
                and entry.is_dir(follow_symlinks=False)
            ):
                pending.append(entry.path)


def _read_once(path: Path) -> str:
    """The file's text, not remembered: all files of a large project would be too much."""
    try:
        return path.read_text("utf-8", "replace") if path.stat().st_size <= LARGEST else ""
    except OSError:
        return ""


_texts: dict[Path, tuple[int, int, str]] = {}


def _is_too_large(path: Path) -> bool:
    try:
        return path.stat().st_size > LARGEST_TESTS
    except OSError:
        return False


def _read(path: Path, largest: int = LARGEST) -> str:
    """The file's text, remembered by its time and size, unless that is large; empty if there is none to be read."""
    try:
        found = path.stat()
        known = _texts.get(path)
        if known and known[:2] == (found.st_mtime_ns, found.st_size):
            return known[2]
        text = path.read_text("utf-8", "replace") if found.st_size <= largest else ""
    except OSError:
        return ""
    if len(text) > LARGEST:
        return text
    if len(_texts) > 5_000:
        _texts.clear()
    _texts[path] = (found.st_mtime_ns, found.st_size, text)
    return text
