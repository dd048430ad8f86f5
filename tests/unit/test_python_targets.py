"""Finding targets in Python text, whole or half-typed."""

import time
from pathlib import Path

import pytest

from engine.errors import TargetNotFoundError
from engine.languages.python import Python

PYTHON = Python()
FILE = Path("pkg/mod.py")

TEXT = '''"""A module."""
import functools
from typing import overload


@functools.cache
def decorated(n):
    """Doc."""
    raise NotImplementedError("later")


async def fetch(url: str) -> bytes: ...


def done(x):
    return x


class Box:
    size = 1

    def __init__(self, items):
        self.items = items

    @property
    def first(self):
        pass

    @first.setter
    def first(self, value):
        ...

    def nested(self):
        def inner(y):
            ...
        return inner


@overload
def pick(x: int) -> int: ...
@overload
def pick(x: str) -> str: ...
def pick(x):
    pass
'''


def at(marker: str, text: str = TEXT):
    return PYTHON.target_at(FILE, text, text.index(marker))


@pytest.mark.parametrize(
    ("marker", "qualname", "kind"),
    [
        ("@functools.cache", "decorated", "function"),
        ('raise NotImplementedError("later")', "decorated", "function"),
        ("fetch", "fetch", "function"),
        ("return x", "done", "function"),
        ("self.items = items", "Box.__init__", "method"),
        ("def first(self):", "Box.first", "method"),
        ("def first(self, value)", "Box.first[2]", "method"),
        ("def inner", "Box.nested.inner", "method"),
        ("size = 1", "Box", "class"),
        ("import functools", "", "module"),
    ],
)
def test_the_target_is_the_innermost_definition_around_the_cursor(marker, qualname, kind):
    target = at(marker)
    assert (target.qualname, target.kind) == (qualname, kind)


def test_an_overloads_signature_leads_to_its_implementation():
    assert TEXT[at("def pick(x: str)").functions[0].start :].startswith("def pick(x):")


def test_overloads_without_an_implementation_are_no_target():
    text = "@overload\ndef pick(x: int) -> int: ...\n"
    with pytest.raises(TargetNotFoundError, match="no implementation"):
        at("pick", text)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "...",
        "pass",
        "raise NotImplementedError",
        "raise NotImplementedError('x')",
        '"""Doc."""',
        '"""D."""\n    ...',
    ],
)
def test_what_counts_as_a_stub(body):
    (function,) = PYTHON.functions(f"def f(x):\n    {body}\n")
    assert function.is_stub


@pytest.mark.parametrize("body", ["return 1", "raise ValueError", "x = ...", "pass\n    return 2"])
def test_what_does_not_count_as_a_stub(body):
    (function,) = PYTHON.functions(f"def f(x):\n    {body}\n")
    assert not function.is_stub


def test_a_module_target_holds_its_stubs_but_no_overload_abstract_or_protocol_method():
    text = (
        TEXT
        + "\n\nclass P(Protocol):\n    def m(self): ...\n\n\nclass A(ABC):\n    @abstractmethod\n    def n(self): ...\n"
    )
    names = [f.qualname for f in PYTHON.target_named(FILE, text, "").functions]
    assert names == ["decorated", "fetch", "Box.first", "Box.first[2]", "Box.nested.inner", "pick[3]"]


def test_a_half_typed_neighbour_does_not_hide_the_target():
    text = "class A:\n    def broken(self, (\n\n    def whole(self):\n        pass\n\n\n"
    text += "def last(:\n\n\ndef after(x):\n    pass\n"
    names = [f.qualname for f in PYTHON.functions(text)]
    assert "A.whole" in names
    assert "after" in names


def test_a_cursor_on_a_half_typed_signature_is_told_so():
    text = "def broken(x, (\n\n\ndef whole():\n    pass\n"
    with pytest.raises(TargetNotFoundError, match="syntax error"):
        at("broken", text)


def test_an_unknown_name_is_answered_with_the_nearest_ones():
    with pytest.raises(TargetNotFoundError) as caught:
        PYTHON.target_named(FILE, TEXT, "decorate")
    assert "decorated" in caught.value.remedy


def test_the_prefix_is_the_dedented_definition_up_to_its_docstring():
    text = 'class A:\n\tdef m(self):\n\t\t"""Doc\n\t\tmore."""\n\t\tpass\n'
    (method,) = PYTHON.functions(text)
    assert method.prefix == 'def m(self):\n\t"""Doc\n\tmore."""\n'
    assert method.docstring == "Doc\nmore."
    assert method.indent == "\t\t"


def test_offsets_count_code_points():
    text = '# \N{GRINNING FACE} \u65e5\u672c\ndef f(x):\n    """\N{GRINNING FACE}"""\n    pass\n'
    (function,) = PYTHON.functions(text)
    assert text[function.start :].startswith("def f")
    assert text[function.body_start : function.end] == "\n    pass"


def test_a_byte_order_mark_hides_nothing():
    (function,) = PYTHON.functions("\ufeffdef f():\n    pass\n")
    assert function.start == 1


@pytest.mark.parametrize("qualname", ["after", "A", ""])
def test_a_syntax_error_is_told_as_what_may_hide_a_target(qualname):
    with pytest.raises(TargetNotFoundError, match="has a syntax error in line 4, which may hide it"):
        PYTHON.target_named(Path("brk.py"), "class A:\n    x = 1\n\ndef after(x, (\n", qualname)


def test_lone_carriage_returns_are_refused():
    text = "def f(x):\r    pass\r"
    for find in (lambda: PYTHON.target_named(FILE, text, "f"), lambda: PYTHON.target_at(FILE, text, 3)):
        with pytest.raises(TargetNotFoundError, match="old Macintosh line ends"):
            find()


@pytest.mark.parametrize("docstring", ['"One " "two."', '("One "\n     "two.")', '("""One two.""")'])
def test_a_docstring_in_pieces_or_parentheses_is_one(docstring):
    text = f"def f(x):\n    {docstring}\n    pass\n"
    (function,) = PYTHON.functions(text)
    assert function.docstring == "One two."
    assert function.is_stub
    assert text[function.body_start : function.end] == "\n    pass"


@pytest.mark.parametrize("statement", ['"a" f"{x}"', 'b"a"', "(x)"])
def test_bytes_and_formatted_strings_are_no_docstring(statement):
    (function,) = PYTHON.functions(f"def f(x):\n    {statement}\n")
    assert function.docstring is None


def test_long_files_and_long_lines_are_read_quickly():
    text = 'CSS = "' + "color:#fff;" * 20_000 + '"\n' + "def f(x):\n    return x\n\n\n" * 4_000
    begin = time.process_time()
    assert len(PYTHON.functions(text)) == 4_000
    assert time.process_time() - begin < 3


def test_import_spans_are_whole_lines_of_imports_alone():
    text = "import a  # why\nimport b; x = 1\nif x: import c\nfrom d import (\n    e,\n)\ns = '''\nimport f\n'''\n"
    assert [text[start:end] for start, end in PYTHON.imports(text)] == [
        "import a  # why\n",
        "from d import (\n    e,\n)\n",
    ]
