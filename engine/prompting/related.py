"""What other files of the project tell a model about a target: what its file imports from them, and who calls it.

Ranked, and within a budget: what the target's own text or its tests mention comes first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from engine.languages.base import Language, Target

RELATED_BUDGET = 1000
"""Characters."""
_MOST_CALLERS = 2
_MOST_FILES = 400
_MOST_ENTRIES = 20_000  # of folders that are walked for them
_LARGEST = 200_000
_AROUND = 2  # lines of a caller before and behind the call
_PASSED_OVER = frozenset({"node_modules", "site-packages", "__pycache__", "build", "dist", "venv", "env"})

Read = Callable[[Path], str]


def related_context(
    language: Language, text: str, target: Target, root: Path, read: Read, mentions: Sequence[str], *,
    budget: int = RELATED_BUDGET,
) -> str:  # fmt: skip
    """Definitions from other files and calls in them, as one piece of code; empty if there are none.

    Args:
        text: of the target's document.
        read: a file's text, empty if there is none.
        mentions: texts (the judge's) whose names matter besides the target's own.
    """
    own = text[target.start : target.end]
    told = [*_definitions(language, text, target.path, root, read, [own, *mentions]),
            *_callers(language, target, root, read)]  # fmt: skip
    pieces: list[str] = []
    left = budget
    for piece in told:
        if len(piece) <= left:
            pieces.append(piece)
            left -= len(piece)
    return "\n\n".join(pieces)


def _definitions(
    language: Language, text: str, path: Path, root: Path, read: Read, mentions: Sequence[str]
) -> list[str]:
    """What is imported, the mentioned first; of modules imported as a whole only what is mentioned."""
    ranked: dict[str, int] = {}
    for imported in language.imported(text, path, root):
        file = next((file for file in imported.files if file != path and read(file)), None)
        if file is None:
            continue
        source = read(file)
        for name in imported.names or language.names(source):
            place = min((rank for rank, each in enumerate(mentions) if _mentions(each, name)), default=len(mentions))
            if place == len(mentions) and not imported.names:
                continue
            outline = language.outline(source, name)
            if outline:
                where = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
                ranked.setdefault(f"# {where}\n{outline}", place)
    return sorted(ranked, key=lambda piece: ranked[piece])


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text) is not None


def _callers(language: Language, target: Target, root: Path, read: Read) -> Iterator[str]:
    """A few places in other files, tests apart, that call the target."""
    names = {name.rpartition(".")[2] for name in target.names if not name.rpartition(".")[2].startswith("__")}
    if not names:
        return
    dot = r"\." if target.kind == "method" else ""
    call = re.compile(rf"(?<!def ){dot}\b(?:{'|'.join(map(re.escape, sorted(names)))})\(")
    count = 0
    for file in _files(language, root):
        if file == target.path:
            continue
        source = read(file)
        match = call.search(source)
        if match is None:
            continue
        lines = source.split("\n")
        at = source.count("\n", 0, match.start())
        shown = "\n".join(lines[max(0, at - _AROUND) : at + _AROUND + 1]).strip("\n")
        count += 1
        yield f"# called in {file.relative_to(root).as_posix()}\n{shown}"
        if count == _MOST_CALLERS:
            return


def _files(language: Language, root: Path) -> Iterator[Path]:
    """Files of the project in the target's language, without tests; a bounded number."""
    count = entries = 0
    for folder, folders, names in _walk(root):
        entries += len(folders) + len(names)
        if entries > _MOST_ENTRIES:
            return
        folders[:] = sorted(name for name in folders if name not in _PASSED_OVER and not name.startswith("."))
        for name in sorted(names):
            file = folder / name
            if not language.handles(file) or _is_test(file.relative_to(root)):
                continue
            count += 1
            if count > _MOST_FILES:
                return
            yield file


def _walk(root: Path) -> Iterable[tuple[Path, list[str], list[str]]]:
    return ((Path(folder), folders, names) for folder, folders, names in os.walk(root))


def _is_test(path: Path) -> bool:
    return any(part in ("tests", "test", "testing") for part in path.parts[:-1]) or (
        path.name.startswith(("test_", "conftest")) or path.stem.endswith("_test")
    )


def readable(read: Read) -> Read:
    """`read`, for a file that may be absent or large: then empty; each file is read once."""
    known: dict[Path, str] = {}

    def glance(path: Path) -> str:
        if path not in known:
            try:
                known[path] = read(path) if path.is_file() and path.stat().st_size <= _LARGEST else ""
            except OSError:
                known[path] = ""
        return known[path]

    return glance
