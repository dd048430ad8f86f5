"""Small projects to open in the test editor, and scripts for the generator that stands in for the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STUB = '''"""Words."""


def slugify(title):
    """Lower-case words joined by hyphens."""
    ...


class Box:
    def __init__(self):
        self.items = []

    def put(self, item):
        """Keep the item."""
        raise NotImplementedError

    def count(self):
        """How many items are kept."""
        raise NotImplementedError


def done():
    return 1
'''

TESTS = """from words import Box, done, slugify


def test_slugify_joins_words():
    assert slugify("Hello World") == "hello-world"


def test_slugify_of_nothing():
    assert slugify("") == ""


def test_box():
    box = Box()
    box.put("a")
    assert box.count() == 1


def test_done():
    assert done() == 1
"""

GOOD = '    return "-".join(title.lower().split())\n'
BAD = "    return title.lower()\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A workspace with one module of stubs and its tests."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "words"\nversion = "1"\n')
    (root / "words.py").write_text(STUB)
    (root / "test_words.py").write_text(TESTS)
    return root


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Makes the environment in which the generator says what it is told: texts, or whole replies."""

    def write(*replies: str | dict[str, Any]) -> dict[str, str]:
        path = tmp_path / "script.json"
        path.write_text(json.dumps({"replies": [{"text": r} if isinstance(r, str) else r for r in replies]}))
        return {"GREENFINCH_SCRIPT": str(path)}

    return write
