"""Which framework runs the user's tests, and from which folder, as reading the files tells."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.verification.configuration import SECTIONS
from engine.verification.interpreter import Interpreter

_OF_PYTEST = re.compile(
    r"^\s*(?:import|from)\s+pytest\b|^(?:async\s+)?def\s+test|^class\s+Test\w*\s*(?:\((?:object)?\))?:", re.M
)


def framework_of(paths: Sequence[Path], texts: Mapping[Path, str], interpreter: Interpreter) -> str:
    """`pytest`, which runs both kinds of tests, where it is installed; `unittest` if all files do without it.

    Raises:
        InterpreterError: the tests need pytest, and it is missing.
    """
    if "pytest" in interpreter.frameworks:
        return "pytest"
    if all(_is_unittest(_text(path, texts)) for path in paths):
        return "unittest"
    raise interpreter.needs_pytest()


def folder_of(paths: Sequence[Path], texts: Mapping[Path, str], root: Path) -> Path:
    """Where tests are run from: the nearest folder around all of them with pytest's configuration, or the root."""
    common = Path(os.path.commonpath([path.parent for path in paths]))
    for folder in (common, *common.parents):
        if folder == root or not folder.is_relative_to(root):
            break
        if any(mark in _text(folder / name, texts) for name, mark in SECTIONS.items()):
            return folder
    return root


def _is_unittest(text: str) -> bool:
    """Whether a test file does without pytest: its tests are methods of classes that have a base."""
    return "class " in text and not _OF_PYTEST.search(text)


def _text(path: Path, texts: Mapping[Path, str]) -> str:
    if path in texts:
        return texts[path]
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
