"""The whole of it, with the real small model: stubs in unsaved buffers, in three kinds of project."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lsp.editor import editor

pytestmark = [pytest.mark.anyio, pytest.mark.model, pytest.mark.usefixtures("small_model")]

MODEL = "qwen2.5-coder-0.5b"
OPTIONS = {"model": MODEL, "budget_seconds": 200.0, "host_idle_minutes": 0.2}  # the tests share one host


CLAMP = '''"""Numbers."""


def clamp(value, low, high):
    """Return value, but at least low and at most high."""
'''
CLAMP_TESTS = """from numbers_ import clamp


def test_inside():
    assert clamp(5, 0, 10) == 5


def test_below_and_above():
    assert clamp(-1, 0, 10) == 0
    assert clamp(11, 0, 10) == 10
"""

STACK = '''"""A stack."""


class Stack:
    """Last in, first out."""

    def __init__(self):
        self._items = []

    def push(self, item):
        """Put an item on top."""
        self._items.append(item)

    def pop(self):
        """Take the top item off and return it; None if the stack is empty."""
        raise NotImplementedError
'''
STACK_TESTS = """import pytest

from shelf.stack import Stack


@pytest.fixture
def stack():
    return Stack()


def test_last_in_first_out(stack):
    stack.push(1)
    stack.push(2)
    assert (stack.pop(), stack.pop()) == (2, 1)


def test_empty(stack):
    assert stack.pop() is None
"""

VOWELS = '''def count_vowels(text):
    """Count the vowels a, e, i, o and u in text, in either case."""
    pass
'''
VOWEL_TESTS = """import unittest

from vowels import count_vowels


class CountVowels(unittest.TestCase):
    def test_lower_case(self):
        self.assertEqual(count_vowels("banana"), 3)

    def test_upper_case(self):
        self.assertEqual(count_vowels("AEIOU xyz"), 5)

    def test_none(self):
        self.assertEqual(count_vowels("rhythm"), 0)


if __name__ == "__main__":
    unittest.main()
"""
CONFIGURATION = '[project]\nname = "sample"\nversion = "1"\n[tool.pytest.ini_options]\npythonpath = ["src"]\n'


def make(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def own_tests_pass(project: Path, name: str, text: str, *command: str) -> bool:
    """Whether the user's own command passes with what the editor holds now."""
    copy = project.parent / "copy"
    shutil.copytree(project, copy)
    (copy / name).write_text(text)
    return subprocess.run([sys.executable, "-m", *command], cwd=copy, capture_output=True).returncode == 0


async def implement(project: Path, name: str, buffer: str, qualname: str) -> str:
    """The text of the unsaved `buffer` after the real model implemented `qualname` in it."""
    saved = (project / name).read_text()
    async with editor(project, options=OPTIONS) as window:
        uri = window.open(name, buffer)
        action = await window.action(uri, f"def {qualname.rpartition('.')[2]}", "Generate & verify implementation")
        assert action.command is not None and action.disabled is None
        job = await window.ended((await window.choose(action))["job"])
        assert job["state"] == "passed", job
        assert f"{qualname}: " in window.edits[0].label and "tests pass" in window.edits[0].label
        assert (project / name).read_text() == saved
        return window.texts[uri]


async def test_a_stub_in_an_unsaved_buffer(tmp_path: Path) -> None:
    project = make(tmp_path / "plain", {"numbers_.py": '"""Numbers."""\n', "test_numbers.py": CLAMP_TESTS})
    text = await implement(project, "numbers_.py", CLAMP, "clamp")
    assert text.startswith(CLAMP.rstrip())
    assert own_tests_pass(project, "numbers_.py", text, "pytest", "-q")


@pytest.mark.slow
async def test_a_method_of_a_class_in_a_src_layout_package(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": CONFIGURATION,
        "src/shelf/__init__.py": "",
        "src/shelf/stack.py": '"""A stack, to be written."""\n',
        "tests/test_stack.py": STACK_TESTS,
    }
    project = make(tmp_path / "shelf", files)
    text = await implement(project, "src/shelf/stack.py", STACK, "Stack.pop")
    assert text.startswith(STACK.partition("        raise")[0].rstrip())
    assert own_tests_pass(project, "src/shelf/stack.py", text, "pytest", "-q")


@pytest.mark.slow
async def test_a_unittest_project(tmp_path: Path) -> None:
    project = make(tmp_path / "unit", {"vowels.py": "", "test_vowels.py": VOWEL_TESTS})
    text = await implement(project, "vowels.py", VOWELS, "count_vowels")
    assert own_tests_pass(project, "vowels.py", text, "unittest", "-q")
