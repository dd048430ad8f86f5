"""Putting candidates into a text: the target's bodies and the imports they need change, and nothing else."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import TargetNotFoundError
from engine.languages.base import Solution, TextEdit, apply_edits
from engine.languages.python import Python

PYTHON = Python()
FILE = Path("mod.py")


def splice(text: str, qualname: str, body: str, *imports: str) -> str:
    target = PYTHON.target_named(FILE, text, qualname)
    bodies = {f.qualname: body for f in target.functions}
    return PYTHON.render(text, target, Solution(bodies, imports))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def f(x):\n    pass\n", "def f(x):\n    return x\n"),
        ("def f(x):\n    pass", "def f(x):\n    return x"),
        ("def f(x):\n    pass  # to do\n\nz = 1\n", "def f(x):\n    return x\n\nz = 1\n"),
        ("def f(x): ...\n", "def f(x):\n    return x\n"),
        ('def f(x): "Doc."\n', 'def f(x):\n    "Doc."\n    return x\n'),
        ('def f(x):\n    """Doc."""\n', 'def f(x):\n    """Doc."""\n    return x\n'),
        ('def f(x):\n    """Doc."""; pass\n', 'def f(x):\n    """Doc."""\n    return x\n'),
        ("def f(x):  # note\n    ...\n", "def f(x):  # note\n    return x\n"),
        ("def f(x):\n", "def f(x):\n    return x\n"),
        ("def f(x):\r\n    pass\r\nz = 1\r\n", "def f(x):\r\n    return x\r\nz = 1\r\n"),
        ("class A:\n\tdef f(self):\n\t\tpass\n", "class A:\n\tdef f(self):\n\t\treturn x\n"),
        ("\ufeffdef f(x):\n    pass\n", "\ufeffdef f(x):\n    return x\n"),
    ],
)
def test_a_body_takes_the_stubs_place(before, after):
    qualname = "A.f" if "class A" in before else "f"
    assert splice(before, qualname, "return x") == after


def test_a_body_is_written_in_the_files_own_indentation():
    text = "class A:\n  def f(self):\n    pass\n"
    body = "if self:\n    for x in self:\n        print(x)\nreturn 1"
    expected = "class A:\n  def f(self):\n    if self:\n      for x in self:\n        print(x)\n    return 1\n"
    assert splice(text, "A.f", body) == expected


def test_lines_inside_strings_keep_their_white_space():
    text = "class A:\n    def f(self):\n        pass\n"
    body = 'return """a\n  b\nc"""'
    assert splice(text, "A.f", body).endswith('        return """a\n  b\nc"""\n')


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("import os\n", "import os\nimport re\n"),
        ("from __future__ import annotations\n", "from __future__ import annotations\nimport re\n"),
        ('"""Doc."""\n', '"""Doc."""\n\nimport re\n'),
        ("#!/usr/bin/env python\n# coding: utf-8\n", "#!/usr/bin/env python\n# coding: utf-8\nimport re\n\n\n"),
        ("", "import re\n\n\n"),
    ],
)
def test_imports_join_the_head_of_the_file(head, expected):
    stub = "def f(x):\n    pass\n"
    assert splice(head + stub, "f", "return re", "import re") == expected + "def f(x):\n    return re\n"


def test_an_import_that_is_there_is_not_added_again():
    text = "import re\n\n\ndef f(x):\n    pass\n"
    assert splice(text, "f", "return re", "import re").count("import re") == 1


def test_all_stubs_of_a_class_are_filled_in_one_go():
    text = "class A:\n    def f(self):\n        pass\n\n    def g(self): ...\n"
    after = splice(text, "A", "return 1")
    assert after == "class A:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 1\n"


def test_an_instrumented_function_calls_first_and_still_parses():
    text = 'def f(x):\n    """Doc."""\n    return 1\n\ndef g(): ...\n\ndef h():\n\ndef i():\n    return 2\n'
    after = PYTHON.instrument(text, {name: f"mark('{name}')" for name in "fghi"})
    functions = {node.name: node for node in ast.parse(after).body if isinstance(node, ast.FunctionDef)}
    assert ast.get_docstring(functions["f"]) == "Doc."
    assert ast.unparse(functions["f"].body[1]) == "mark('f')"
    assert ast.unparse(functions["g"].body[0]) == "mark('g')"
    assert ast.unparse(functions["h"].body[0]) == "mark('h')"
    assert ast.unparse(functions["i"].body[0]) == "mark('i')"


def test_candidates_that_differ_in_layout_alone_are_equal():
    text = "def f(x):\n    pass\n"
    target = PYTHON.target_named(FILE, text, "f")
    one, two, other = (splice(text, "f", body) for body in ("return  (x+1) # c", "return x + 1", "return x + 2"))
    assert PYTHON.canonical(one, target) == PYTHON.canonical(two, target) != PYTHON.canonical(other, target)


def test_overlapping_edits_are_refused():
    with pytest.raises(ValueError, match="overlaps"):
        apply_edits("abcdef", (TextEdit(0, 3, "x"), TextEdit(2, 4, "y")))


NAMES = st.sampled_from(["alpha", "beta", "gamma"])
FILLER = st.sampled_from(
    ["# \N{GRINNING FACE}\n", "x = '\u65e5\u672c'\n", "\n", "import os\n", "class C:\n    y = 1\n", "if x:\n\tz = 2\n"]
)


@given(st.lists(FILLER, max_size=4), NAMES, st.lists(FILLER, max_size=4), st.booleans(), st.booleans())
def test_everything_outside_the_body_stays_byte_for_byte(before, name, after, windows, final_newline):
    stub = f"def {name}(x):\n    pass\n"
    text = "".join(before) + stub + "".join(after)
    text = text if final_newline else text.rstrip("\n")
    text = text.replace("\n", "\r\n") if windows else text
    newline = "\r\n" if windows else "\n"
    place = text.index(f"def {name}")
    body = text.index("pass", place)
    result = splice(text, name, "return 7")
    assert result == text[:body].rstrip(" \r\n") + newline + "    return 7" + text[body + 4 :]


def test_lines_that_continue_a_statement_keep_their_place_in_it():
    text = "class A:\n  def f(self):\n    pass\n"
    body = "if self:\n    x = call(1,\n             2)\n    # why\n    return x\nelse:\n    return 0"
    expected = (
        "    if self:\n      x = call(1,\n               2)\n      # why\n      return x\n    else:\n      return 0\n"
    )
    assert splice(text, "A.f", body) == text.replace("    pass\n", expected)


def test_the_step_of_indentation_is_not_taken_from_a_docstring():
    text = '"""Tool.\n\nUsage:\n  tool FILE\n"""\n\n\ndef f(x):\n    return x\n\n\ndef g(x): ...\n'
    assert splice(text, "g", "if x:\n    return 1\nreturn 2").endswith(
        "def g(x):\n    if x:\n        return 1\n    return 2\n"
    )


def test_a_candidate_that_does_not_parse_is_told_so():
    target = PYTHON.target_named(FILE, "def f(x):\n    pass\n", "f")
    with pytest.raises(TargetNotFoundError, match="does not define f; it has a syntax error in line 2"):
        PYTHON.solution_in("x = 1\ndef f(x, (\n", target)
