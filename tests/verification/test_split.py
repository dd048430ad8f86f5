"""Tests in one process, the implementation in another: what can cross, and what a liar gains by it (nothing)."""

from __future__ import annotations

import socket
from textwrap import dedent

import pytest

from engine.languages import language_for
from engine.languages.base import Solution
from engine.verification.agent import peer, plain, remote
from engine.verification.base import Judge
from engine.verification.split import Split, hidden_from_candidate

pytestmark = pytest.mark.anyio

MODULE = """
    from __future__ import annotations
    import contextlib
    import dataclasses
    import enum
    import functools

    MISSING = object()


    class Colour(enum.Enum):
        RED = 1
        BLUE = 2


    @dataclasses.dataclass(frozen=True)
    class Point:
        x: int
        y: int = 0


    class Refused(ValueError):
        def __init__(self, what, code):
            super().__init__(what)
            self.code = code


    class Stack:
        limit = 3

        def __init__(self, items=()):
            self.items = list(items)

        def push(self, item):
            raise NotImplementedError

        @classmethod
        def of(cls, *items):
            raise NotImplementedError

        @property
        def top(self):
            raise NotImplementedError

        @staticmethod
        def twice(number):
            raise NotImplementedError


    class Vector:
        def __init__(self, x, y):
            self.x, self.y = x, y

        def __eq__(self, other):
            raise NotImplementedError


    def f(*args, **kwargs):
        raise NotImplementedError


    @functools.lru_cache
    def cached(number):
        raise NotImplementedError


    @contextlib.contextmanager
    def opened(name):
        raise NotImplementedError


    async def later(number):
        raise NotImplementedError


    def with_default(value, default=MISSING):
        raise NotImplementedError


    def collect(item, into=[]):
        raise NotImplementedError
"""


@pytest.fixture
def split(project, opened, levels):  # type: ignore[no-untyped-def]
    """Runs one test body against a body for a function of the module above."""

    async def run(body: str, test: str, *, name: str = "f", more: str = "", level: str = levels[0]) -> Split:
        test = "def test_it():\n" + "\n".join(f"    {line}" for line in dedent(test).strip().splitlines())
        workspace = project(
            {"lib.py": MODULE, "test_lib.py": f"import lib\nimport pytest\nfrom lib import *\n{more}\n{test}\n"}
        )
        path = workspace.root / "lib.py"
        language = language_for(path)
        assert language is not None
        text = workspace.read("lib.py")
        target = language.target_named(path, text, name)
        after = language.render(text, target, Solution({name: dedent(body).strip()}))
        judge = Judge("pytest", ("test_lib.py::test_it",), (workspace.root / "test_lib.py",), folder=workspace.root)
        caller, callee = language.caller(text, target), language.callee(after, target)
        assert caller is not None and callee is not None
        async with opened(workspace, level) as verifier:
            return await verifier.split(judge, {path: caller}, {path: callee}, target=path, time_limit=20.0)

    return run


VALUES = """
    None, True, 0, -1, 2**200, 1.5, float("inf"), 3 + 4j, "", "\\ud800\\u00e9", b"\\x00\\xff", (), (1, (2,)), [1, [2]],
    {"a": {1: (2, 3)}}, {1, 2}, frozenset({"x"}), bytearray(b"ab"), range(1, 9, 2), ..., Decimal("1.10"),
    Fraction(1, 3), date(2024, 2, 29), datetime(2024, 1, 2, 3, 4, 5, 6, timezone.utc), timedelta(1, 2, 3), time(1, 2),
    UUID(int=7), Path("a/b"), OrderedDict([("b", 1), ("a", 2)]), Counter("aab"), defaultdict(list, {"k": [1]}),
    deque([1, 2], maxlen=3), Colour.BLUE, Point(1, 2), [Point(3)] * 2, Colour, int, len
"""
IMPORTS = """
from collections import *
from datetime import *
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from uuid import UUID
"""


async def test_plain_values_go_there_and_come_back_as_they_were(split):
    found = await split(
        "return args",
        f"""
        sent = ({" ".join(VALUES.split())})
        came = f(*sent)
        assert [type(each) for each in came] == [type(each) for each in sent]
        assert came == sent
        assert list(came[28]) == ["b", "a"] and came[31].maxlen == 3 and came[30]["new"] == []
        assert came[34][0] is came[34][1]
        """,
        more=IMPORTS,
    )
    assert found.verdict.passed, found.verdict
    assert found.applies and found.calls == 1


CASES = {
    "changes its arguments": (
        "f",
        """
            args[0].append(4); args[1]['k'] = args[0]; args[2].clear(); return args[0]
        """,
        """
            a, b, c = [1], {}, {1}
            r = f(a, b, c)
            assert (a, c) == ([1, 4], set()) and r is a and b['k'] is a
        """,
    ),
    "generator": (
        "f",
        """
            for n in range(args[0]):
                got = yield n
            return 'done'
        """,
        """
            import inspect
            g = f(3)
            assert inspect.isgenerator(g)
            assert list(g) == [0, 1, 2]
            assert f(10**9).__next__() == 0
        """,
    ),
    "closure": (
        "f",
        """
            return lambda x: args[0](x) + 1
        """,
        """
            add = f(lambda x: x * 10)
            assert add(2) == 21 and add(3) == 31
        """,
    ),
    "key function": (
        "f",
        """
            return sorted(args[0], key=kwargs['key'])
        """,
        """
            assert f(['bb', 'a'], key=len) == ['a', 'bb']
        """,
    ),
    "iterator argument": (
        "f",
        """
            return sum(args[0])
        """,
        """
            assert f(n * n for n in range(4)) == 14
        """,
    ),
    "callback that raises": (
        "f",
        """
            try:
                args[0]()
            except KeyError as error:
                return error.args
        """,
        """
            def broken():
                raise KeyError('k')
            assert f(broken) == ('k',)
        """,
    ),
    "exception of its module": (
        "f",
        """
            raise Refused('no', 7)
        """,
        """
            with pytest.raises(Refused, match='no') as e: f()
            assert e.value.code == 7
        """,
    ),
    "exception of its own": (
        "f",
        """
            class Inner(ZeroDivisionError): pass
            raise Inner('x')
        """,
        """
            with pytest.raises(ZeroDivisionError, match='x'): f()
        """,
    ),
    "exception of the library": (
        "f",
        """
            import json
            json.loads('{')
        """,
        """
            import json
            with pytest.raises(json.JSONDecodeError) as e: f()
            assert e.value.pos == 1
        """,
    ),
    "exit": (
        "f",
        """
            import argparse
            argparse.ArgumentParser().parse_args(['--bad'])
        """,
        """
            with pytest.raises(SystemExit) as e: f()
            assert e.value.code == 2 and str(e.value) == '2'
        """,
    ),
    "file that is not there": (
        "f",
        """
            open(args[0])
        """,
        """
            import errno
            with pytest.raises(OSError, match='nowhere') as e: f('nowhere')
            assert type(e.value) is FileNotFoundError and e.value.errno == errno.ENOENT
            assert e.value.filename == 'nowhere' and 'No such' in e.value.strerror
        """,
    ),
    "OSError of its own": (
        "f",
        """
            class Broken(OSError): pass
            raise Broken(2, 'gone', 'x.txt')
        """,
        """
            with pytest.raises(OSError) as e: f()
            assert (e.value.errno, e.value.filename, str(e.value)) == (2, 'x.txt', "[Errno 2] gone: 'x.txt'")
        """,
    ),
    "syntax error": (
        "f",
        """
            compile(args[0], 'its.py', 'exec')
        """,
        """
            with pytest.raises(SyntaxError, match=r'\\(its.py, line 2\\)') as e: f('x = 1\\n1 +')
            assert (e.value.lineno, e.value.filename, e.value.text.strip()) == (2, 'its.py', '1 +')
        """,
    ),
    "text that cannot be decoded": (
        "f",
        """
            return args[0].decode('ascii')
        """,
        """
            with pytest.raises(UnicodeDecodeError, match="byte 0xff in position 1") as e: f(b'a\\xff')
            assert (e.value.start, e.value.end, e.value.object) == (1, 2, b'a\\xff')
        """,
    ),
    "import that fails": (
        "f",
        """
            import no_such_module
        """,
        """
            with pytest.raises(ImportError) as e: f()
            assert e.value.name == 'no_such_module' and type(e.value) is ModuleNotFoundError
        """,
    ),
    "warning": (
        "f",
        """
            import warnings
            warnings.warn('old', DeprecationWarning)
            return 1
        """,
        """
            with pytest.warns(DeprecationWarning, match='old'): assert f() == 1
        """,
    ),
    "cached": (
        "cached",
        """
            return number + 1
        """,
        """
            assert [cached(1), cached(1)] == [2, 2] and cached.cache_info().hits == 1
        """,
    ),
    "context manager": (
        "opened",
        """
            yield name.upper()
        """,
        """
            with opened('a') as n: assert n == 'A'
        """,
    ),
    "coroutine": (
        "later",
        """
            import asyncio
            await asyncio.sleep(0)
            return number * 2
        """,
        """
            import asyncio
            assert asyncio.run(later(4)) == 8
        """,
    ),
    "sentinel": (
        "with_default",
        """
            return 'none' if default is MISSING else default
        """,
        """
            assert with_default(1) == 'none' and with_default(1, 2) == 2
        """,
    ),
    "mutable default": (
        "collect",
        """
            into.append(item)
            return into
        """,
        """
            collect(1)
            assert collect(2) == [1, 2]
        """,
    ),
    "method": (
        "Stack.push",
        """
            if len(self.items) >= self.limit:
                raise OverflowError
            self.items.append(item)
            return self
        """,
        """
            s = Stack()
            assert s.push(1) is s and s.push([2]) is s
            assert s.items == [1, [2]]
            s.push(3)
            with pytest.raises(OverflowError): s.push(4)
        """,
    ),
    "class method": (
        "Stack.of",
        """
            return cls(items)
        """,
        """
            class Mine(Stack): pass
            s = Stack.of(1, 2)
            assert type(s) is Stack and s.items == [1, 2]
        """,
    ),
    "property": (
        "Stack.top",
        """
            return self.items[-1]
        """,
        """
            assert Stack([1, 5]).top == 5
        """,
    ),
    "static method": (
        "Stack.twice",
        """
            return 2 * number
        """,
        """
            assert Stack.twice(4) == 8 and Stack().twice(1) == 2
        """,
    ),
}


@pytest.mark.parametrize(("name", "body", "test"), CASES.values(), ids=CASES.keys())
async def test_what_tests_do_with_a_target_they_can_do_from_another_process(split, name, body, test):
    found = await split(body, test, name=name)
    assert found.verdict.passed, (found.verdict.reason, found.verdict.results[0].detail, found.not_plain)
    assert found.applies


LOST = {
    "the text of a class of its own": (
        "class Inner(ValueError):\n    def __str__(self): return 'told'\nraise Inner('x')",
        "with pytest.raises(ValueError, match='told'): f()",
    ),
    "a cause": (
        "try: {}['k']\nexcept KeyError as error: raise ValueError('v') from error",
        "with pytest.raises(ValueError) as e: f()\nassert isinstance(e.value.__cause__, KeyError)",
    ),
    "a function": ("def g(): args[0]['n'] = 1\nreturn g", "s = {}\nf(s)()\nassert s == {'n': 1}"),
    "an iterator that is sent something": ("got = yield 1\nyield got", "g = f()\nnext(g)\nassert g.send(2) == 2"),
    "a path": ("return args[0].exists()", "import pathlib\nassert f(pathlib.Path(__file__))"),
}


@pytest.mark.parametrize(("body", "test"), LOST.values(), ids=LOST)
async def test_what_is_less_on_one_side_than_on_the_other_is_noted(split, body, test):
    found = await split(body, test)
    assert not found.verdict.passed and found.applies
    assert list(found.losses) == ["test_lib.py::test_it"] and found.telling == []


async def test_what_crosses_as_it_is_is_no_loss(split):
    test = "assert f({'a': [1, '/tmp', '.', 'lib']}) == 1\nwith pytest.raises(Refused): f(2)"
    found = await split("if args[0] == 2: raise Refused('no', 7)\nreturn 1", test)
    assert found.verdict.passed and not found.losses and not found.handed


async def test_a_path_into_the_tests_own_copy_leads_nowhere_in_another(split, levels):
    if "partial" not in levels:
        pytest.skip("the level partial does not work on this machine")
    test = "import pathlib\nassert f(pathlib.Path(__file__).with_name('lib.py')) > 100"
    found = await split("return len(args[0].read_text())", test, level="partial")
    assert not found.verdict.passed and found.applies and found.telling == []


async def test_a_path_that_the_candidate_has_named_is_not_shown_to_it(tmp_path):
    for name in ("tests/data.txt", "tests/answers.txt", "tests/test_a.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    request = {"root": str(tmp_path), "files": [], "split": {"descriptor": 0, "file": "lib.py", "hidden": ["tests"]}}
    ours, theirs = socket.socketpair()
    request["split"]["descriptor"] = ours.detach()
    found = remote.Remote(plain, peer, request)
    theirs.close()
    found._keep_texts({"value": {"tuple": ["read", "tests/answers.txt"]}})
    for name in ("data.txt", "answers.txt", "test_a.py"):
        path = {"path": ["PosixPath", str(tmp_path / "tests" / name)]}
        found._look_for_paths({"target": "f", "args": [path], "kwargs": [], "objects": {}})
    assert list(found.handed) == ["tests/data.txt"]
    assert len(found.losses[""]) == 3
    found.peer.pipe.close()


def test_what_lies_beside_a_file_that_is_shown_stays_hidden(tmp_path):
    names = ("tests/data/a.csv", "tests/data/a.json", "tests/test_a.py", "tests/__pycache__/test_a.pyc", "lib.py")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    tests, target = [tmp_path / "tests/test_a.py"], tmp_path / "lib.py"

    def hidden(*shown: str) -> set[str]:
        return {str(each.relative_to(tmp_path)) for each in hidden_from_candidate(tmp_path, tests, target, shown)}

    assert "tests" in hidden()
    assert hidden("tests/data/a.csv") == {"tests/data/a.json", "tests/test_a.py", "tests/__pycache__/test_a.pyc"}
    (tmp_path / "tests/link").symlink_to(target)
    assert "tests" in hidden("tests/data/a.csv"), "what a link leads to would be hidden"


async def test_what_the_candidate_prints_the_tests_can_look_at(split):
    found = await split(
        "import sys\nprint('out', *args)\nprint('err', file=sys.stderr)",
        "import contextlib, io\nout = io.StringIO()\nwith contextlib.redirect_stdout(out): f(1)\n"
        "assert out.getvalue() == 'out 1\\n'",
    )
    assert found.verdict.passed, found.verdict


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("class All(str):\n    def __eq__(self, other): return True\nreturn All()", "All"),
        ("class All:\n    def __eq__(self, other): return True\nreturn All()", "All"),
        ("class All(dict):\n    def __eq__(self, other): return True\nreturn [All()]", "All"),
        ("from unittest.mock import ANY\nreturn ANY", "mock"),
        ("class All(Point):\n    def __eq__(self, other): return True\nreturn All(1)", "All"),
        ("return open('/dev/null')", "TextIOWrapper"),
    ],
)
async def test_an_object_of_a_class_of_its_own_cannot_cross(split, body, what):
    found = await split(body, "assert f() == 5")
    assert not found.verdict.passed and not found.applies
    assert what in found.not_plain[0]


@pytest.mark.parametrize(
    "body",
    [
        "import os\nos._exit(0)",
        "import sys\nframe = sys._getframe()\nwhile frame:\n    for value in frame.f_locals.values():\n"
        "        if value == 'a secret': return value\n    frame = frame.f_back",
        "import pathlib\nreturn 'a secret' if 'a secret' in pathlib.Path('test_lib.py').read_text() else ''",
        "import pytest\npytest.skip('not today')",
        "import pytest\npytest.Item.runtest = lambda self: None",
        "raise SystemExit(0)",
        "raise KeyboardInterrupt",
        "import os\nfor n in range(3, 64):\n    try: os.write(n, b'\\x00\\x00\\x00\\x02{}')\n    except OSError: pass",
        "import os\nfor number in range(3, 64):\n    try: os.write(number, b'\\xff' * 9)\n    except OSError: pass",
        "import builtins\nbuiltins.__greenfinch_remote__ = None",
        "import sys\nsys.setrecursionlimit(10**6)\nx = []\nfor _ in range(10**5): x = (x,)\nreturn x",
    ],
)
async def test_nothing_a_candidate_does_to_its_own_process_passes_a_test(split, body):
    found = await split(body, "assert f() == 'a secret'")
    assert not found.verdict.passed


async def test_the_tests_and_what_is_left_of_them_cannot_be_read_there(split):
    body = """
        import pathlib
        files = [path for path in pathlib.Path('.').rglob('*') if path.is_file()]
        return [str(path) for path in files if 'a ' + 'secret' in path.read_text('utf-8', 'replace')]
    """
    found = await split(body, "secret = 'a secret'\nassert f() == []")
    assert found.verdict.passed, found.verdict


async def test_an_iterator_is_no_other_answer_each_time(split):
    found = await split("return iter(args[0])", "assert list(f([1, 2])) == [1, 2]")
    assert found.verdict.passed and found.unsteady == 0


async def test_a_class_of_another_module_cannot_be_reached_through_one_of_the_users(split):
    body = """
        class Error(ValueError):
            pass
        Error.__module__, Error.__qualname__ = "lib", "functools.partial"
        return Error
    """
    assert not (await split(body, "f()")).applies


async def test_a_comparison_that_calls_nearly_everything_equal_is_suspected(split):
    test = "a, b = Vector(1, 2), Vector(3, 4)\nassert a == Vector(1, 2) and b == Vector(3, 4)\nassert a != b"
    lenient = await split("return self.x + other.x != 4", test, name="Vector.__eq__")
    assert lenient.verdict.passed and lenient.alike == "equal"
    honest = await split("return (self.x, self.y) == (other.x, other.y)", test, name="Vector.__eq__")
    assert honest.verdict.passed and not honest.alike


async def test_an_answer_that_changes_from_time_to_time_is_noticed(split):
    body = "global n\nn = globals().get('n', 0) + 1\nreturn n == 1"
    assert (await split(body, "assert f(1)")).unsteady == 1
    assert (await split("return args[0] == 1", "assert f(1)")).unsteady == 0


TABLE = "return {'a': 1, 'bb': 2, 'ccc': 3, 'dd': 4}.get(args[0])"


async def test_a_table_of_the_tests_inputs_is_suspected(split):
    test = "for word, n in {'a': 1, 'bb': 2, 'ccc': 3}.items(): assert f(word) == n"
    table = await split(TABLE, test)
    assert table.verdict.passed and table.alike == "null" and table.asked >= 8
    assert not (await split("return len(args[0])", test)).alike


async def test_a_choice_among_the_expected_answers_is_suspected(split):
    test = "assert f('Hello World') == 'hello-world'\nassert f('A b C') == 'a-b-c'"
    assert (await split("return 'hello-world' if len(args[0]) > 7 else 'a-b-c'", test)).alike == "known"
    assert not (await split("return '-'.join(args[0].lower().split())", test)).alike


def test_a_callable_that_does_what_it_is_told_does_not_cross(monkeypatch, tmp_path):
    class Case:
        def told(self, value):
            return value

        def compile(self, value):
            return value

    def evaluate(text):
        return text

    evaluate.__name__ = "eval"
    powerful = [eval, getattr, open, __import__, monkeypatch.setattr, pytest.skip, object.__setattr__]
    with (tmp_path / "file").open("w") as file:
        assert [each for each in [*powerful, file.write, [].__getattribute__] if not plain.is_powerful(each)] == []
    own = [Case().told, Case().compile, evaluate, dedent, lambda value: value]
    assert [
        each for each in [*own, len, sorted, str.upper, [].append, "".join, int.__add__] if plain.is_powerful(each)
    ] == []
