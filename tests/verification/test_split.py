"""Tests in one process, the implementation in another: what can cross, and what a liar gains by it (nothing)."""

from __future__ import annotations

from textwrap import dedent

import pytest

from engine.languages import language_for
from engine.languages.base import Solution
from engine.verification.agent import plain
from engine.verification.base import Judge
from engine.verification.split import Split

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
