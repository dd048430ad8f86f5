"""The form under which candidates are equal: layout, comments and names of locals do not count; all else does."""

import pytest

from engine.languages.python.canonical import canonical

LOOP = "for i, c in enumerate(x):\n    print(i, c)"
NESTED = "def go(n):\n    return n\nreturn go(x)"
CAUGHT = "try:\n    g()\nexcept E as e:\n    return e"
OUTER = "total = 0\ndef add():\n    nonlocal total\n    total += x\nadd()\nreturn total"

SAME = [
    ("y = x + 1\nreturn y", "result = x+1  # one more\n\nreturn result"),
    ("return [a for a in x]", "return [b for b in x]"),
    ("n: int = 0\nreturn n", "k = 0\nreturn k"),
    (LOOP, "for j, d in enumerate(x):\n    print(j, d)"),
    ("import math as m\nreturn m.pi", "import math\nreturn math.pi"),
    (NESTED, NESTED.replace("go", "run")),
    (CAUGHT, CAUGHT.replace("as e", "as err").replace("return e", "return err")),
    (OUTER, OUTER.replace("total", "s")),
    ("return sum((t := y) for y in x) + t", "return sum((u := y) for y in x) + u"),
]
DIFFERENT = [
    ("y = x + 1\nreturn y", "y = x + 2\nreturn y"),
    ("return g(x)", "return h(x)"),
    ("a, b = x\nreturn a", "a, b = x\nreturn b"),
    ("return x", "return y"),
    ("y = 1\nreturn locals()", "z = 1\nreturn locals()"),
    ("global y\ny = 1", "global z\nz = 1"),
    ("return x.a", "return x.b"),
    ("return g(key=x)", "return g(other=x)"),
    ("y = 1\nreturn [y for z in x]", "y = 1\nreturn [z for z in x]"),
    ("class A:\n    b = 1\nreturn A", "class A:\n    c = 1\nreturn A"),
    (NESTED, NESTED.replace("n)", "m)").replace("return n", "return m")),  # it may be called by keyword
    ("'doc'\nreturn x", "return x"),
    ("if x:\n    pass\nreturn x", "return x"),
]


def form(body: str) -> str:
    return canonical("def f(x):\n" + "".join(f"    {line}\n" for line in body.splitlines()))


@pytest.mark.parametrize(("one", "other"), SAME)
def test_texts_that_differ_in_names_of_locals_and_layout_are_equal(one, other):
    assert form(one) == form(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_texts_that_do_something_else_are_not(one, other):
    assert form(one) != form(other)


def test_what_does_not_parse_is_compared_by_its_words():
    assert canonical("def f(:\n    x") == canonical("def  f(: x")
