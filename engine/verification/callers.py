"""Who may call a function without naming it in a test: fixtures, helpers and other functions, followed by reading.

By words and import statements, not by syntax trees: quick enough for every file of a large project, and right often
enough, for the baseline has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

MOST_ROUNDS = 3  # a test calls a, which calls b, which calls c, which calls the target
MOST_NAMES = 60

_DEFINITION = re.compile(r"^(?:(?:async[ \t]+)?def|class)[ \t]+(\w+)|^(\w+)[ \t]*(?::[^=\n]+)?=(?!=)", re.M)
_NAMED_FIXTURE = re.compile(
    r"""^@(?:pytest\.)?fixture\([^)]*\bname\s*=\s*["'](\w+)["'][^)]*\)\s*(?:async\s+)?def\s+(\w+)""", re.M
)
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import[ \t]*(\([^)]*\)|[^\n#;]+)|import[ \t]+([^\n#;]+))", re.M
)


def mentions(text: str, words: Iterable[str]) -> bool:
    """Whether any of the words stands in the text, as a word."""
    return any(word in text and re.search(rf"\b{re.escape(word)}\b", text) for word in words)


def carriers(text: str, words: Iterable[str]) -> set[str]:
    """Names at the top level of a file (functions, classes, fixtures, assignments) whose definitions hold a word."""
    words = [word for word in words if word in text]
    if not words:
        return set()
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b")
    starts = [(match.start(), match[1] or match[2]) for match in _DEFINITION.finditer(text)]
    found: set[str] = set()
    for (start, name), (end, _) in pairwise([*starts, (len(text), "")]):
        if name not in words and pattern.search(text, start, end):
            found.add(name)
    for name, function in _NAMED_FIXTURE.findall(text):
        if function in found:
            found.add(name)
    aliases = re.findall(rf"\b(?:{'|'.join(map(re.escape, words))})[ \t]+as[ \t]+(\w+)", text)
    return found | set(aliases)


def callers(texts: Mapping[Path, str], words: Iterable[str]) -> dict[str, set[Path]]:
    """Names whose definitions lead to one of the words, over several steps, each with the files it is defined in."""
    known: dict[str, set[Path]] = {}
    new = set(words)
    for _ in range(MOST_ROUNDS):
        found: dict[str, set[Path]] = {}
        for path, text in texts.items():
            for name in carriers(text, new):
                found.setdefault(name, set()).add(path)
        new = {name for name in found if name not in known and len(name) > 2 and name not in ("main", "run", "get")}
        for name in new:
            known[name] = found[name]
        if not new or len(known) > MOST_NAMES:
            break
    return known


def imported(path: Path, text: str, root: Path) -> tuple[tuple[str, ...], ...]:
    """Dotted names, as tuples, that the file's import statements mean; relative ones from the workspace's root."""
    package = path.parent.relative_to(root).parts if path.is_relative_to(root) else ()
    names: list[tuple[str, ...]] = []
    for base, members, modules in _IMPORT.findall(text) if "import" in text else ():
        if modules:
            whole = [_parts(each) for each in modules.split(",")]
            names += [parts[:count] for parts in whole for count in range(1, len(parts) + 1)]
            continue
        dots = len(base) - len(base.lstrip("."))
        above = package[: len(package) - dots + 1] if dots else ()
        place = (*above, *_parts(base.lstrip(".")))
        names.append(place)
        names += [(*place, *_parts(each)) for each in members.strip("() \n").split(",") if each.strip()]
    return tuple(name for name in names if name)


def _parts(dotted: str) -> tuple[str, ...]:
    words = dotted.split("#")[0].split(" as ")[0].split()
    return tuple(part for part in words[0].split(".") if part) if words else ()


class ImportGraph:
    """Which files of a project import which, as far as their names tell."""

    def __init__(self, root: Path, texts: Mapping[Path, str]) -> None:
        self._found: dict[tuple[Path, int], frozenset[Path]] = {}
        self._modules: dict[str, list[tuple[tuple[str, ...], Path]]] = {}
        for path in texts:
            parts = module_parts(path, root)
            if parts:
                self._modules.setdefault(parts[-1], []).append((parts, path))
        self._importers: dict[Path, set[Path]] = {}
        for path, text in texts.items():
            for name in set(imported(path, text, root)):
                for found in self._files_of(name):
                    self._importers.setdefault(found, set()).add(path)

    def _files_of(self, name: tuple[str, ...]) -> Iterator[Path]:
        for parts, path in self._modules.get(name[-1], ()):
            if parts[-len(name) :] == name:
                yield path

    def importers(self, path: Path, rounds: int = 1) -> frozenset[Path]:
        """Files that import `path`, or, with more rounds, that import a file that does."""
        if (path, rounds) not in self._found:
            self._found[path, rounds] = frozenset(self._search(path, rounds))
        return self._found[path, rounds]

    def _search(self, path: Path, rounds: int) -> set[Path]:
        found: set[Path] = set()
        new = {path}
        for _ in range(rounds):
            new = {other for each in new for other in self._importers.get(each, ())} - found
            found |= new
        return found - {path}


def module_parts(path: Path, root: Path) -> tuple[str, ...]:
    """The file's dotted name, as a tuple that begins with the root's own name; a package's for its `__init__`."""
    inside = path.relative_to(root.parent) if path.is_relative_to(root) else Path(path.name)
    place = inside.parent if inside.stem == "__init__" else inside.with_suffix("")
    return place.parts
