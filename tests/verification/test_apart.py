"""Honest implementations that another process makes less of are no less honest; what cheats there is still refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from textwrap import dedent

import anyio
import pytest

from engine.config import Settings
from engine.judgement import Judgement, judge_text
from engine.request import ImplementRequest
from engine.verification import strict
from engine.verification.agent import audit

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

Judge = Callable[..., Awaitable[Judgement]]


@pytest.fixture
def judged(project, python, monkeypatch: pytest.MonkeyPatch) -> Judge:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("GREENFINCH_PYTHON", str(python.path))

    async def judge(files: Mapping[str, str], name: str, candidate: str, *, file: str = "lib.py") -> Judgement:
        workspace = project(files)
        request = ImplementRequest(workspace.root, workspace.root / file, name)
        return await judge_text(Settings.load(), request, dedent(candidate).lstrip("\n"), "target")

    return judge


STUB = "def f(*args):\n    raise NotImplementedError\n"
DATA = {
    "src/loader.py": "def rows_of(path):\n    raise NotImplementedError\n",
    "tests/data/a.csv": "x,1\ny,2\n",
    "tests/data/a.json": '[["x", "1"], ["y", "2"]]\n',
    "tests/test_loader.py": """
        from pathlib import Path
        from loader import rows_of

        DATA = Path(__file__).parent / "data"

        def test_rows():
            assert rows_of(DATA / "a.csv") == [["x", "1"], ["y", "2"]]
    """,
}
ROWS = """
    def rows_of(path):
        with open(path) as file:
            return [line.strip().split(",") for line in file]
"""


async def test_a_file_among_the_tests_can_be_read_where_they_hand_its_path_over(judged):
    found = await judged(DATA, "rows_of", ROWS, file="src/loader.py")
    assert (found.accepted, found.decided_by, found.reason) == (True, "split", "")


async def test_what_lies_beside_that_file_can_not(judged):
    body = """
        import json

        def rows_of(path):
            return json.loads(path.with_suffix(".json").read_text())
    """
    found = await judged(DATA, "rows_of", body, file="src/loader.py")
    assert (found.accepted, found.decided_by) == (False, "split")


async def test_nor_can_the_tests(judged):
    body = """
        import ast

        def rows_of(path):
            text = path.parent.parent.joinpath("test_" + "loader.py").read_text()
            return ast.literal_eval(text.partition("== ")[2].strip())
    """
    assert not (await judged(DATA, "rows_of", body, file="src/loader.py")).accepted


async def test_a_folder_among_the_tests_is_decided_by_a_twin(judged):
    tests = """
        from pathlib import Path
        from loader import rows_of

        def test_rows():
            assert rows_of(Path(__file__).parent / "data") == ["a.csv", "a.json"]
    """
    body = "def rows_of(path):\n    return sorted(each.name for each in path.iterdir()) if path.exists() else []\n"
    found = await judged({**DATA, "tests/test_loader.py": tests}, "rows_of", body, file="src/loader.py")
    assert (found.accepted, found.decided_by, found.reason) == (True, "twin", "")


async def test_a_module_that_imports_from_among_the_tests_is_decided_by_a_twin(judged):
    files = {
        "pkg/__init__.py": "",
        "pkg/core.py": f"from pkg.testing.marks import MARK\n\n\n{STUB}",
        "pkg/testing/__init__.py": "",
        "pkg/testing/marks.py": "MARK = '!'\n",
        "pkg/testing/test_core.py": "from pkg.core import f\n\ndef test_f():\n    assert f('a') == 'A!'\n",
    }
    found = await judged(files, "f", "def f(*args):\n    return args[0].upper() + MARK\n", file="pkg/core.py")
    assert (found.accepted, found.decided_by, found.reason) == (True, "twin", "")


HANDED = {
    "a context manager that takes an exception": (
        "import contextlib\n\n\n@contextlib.contextmanager\ndef suppressed(*kinds):\n    raise NotImplementedError\n",
        "suppressed",
        """
        import contextlib

        @contextlib.contextmanager
        def suppressed(*kinds):
            try:
                yield 5
            except kinds:
                pass
        """,
        """
        def test_it():
            with suppressed(ValueError) as found:
                assert found == 5
                raise ValueError
        """,
    ),
    "state that changes after the call": (
        "def counted(stats):\n    raise NotImplementedError\n",
        "counted",
        """
        def counted(stats):
            def decorate(function):
                def counting(*args):
                    stats["n"] += 1
                    return function(*args)
                return counting
            return decorate
        """,
        """
        def test_it():
            stats = {"n": 0}
            g = counted(stats)(lambda: 7)
            assert g() == 7
            assert stats["n"] == 1
        """,
    ),
    "an exception of the test's own": (
        "def retry(function, times):\n    raise NotImplementedError\n",
        "retry",
        """
        def retry(function, times):
            for left in range(times)[::-1]:
                try:
                    return function()
                except ValueError:
                    if not left:
                        raise
        """,
        """
        import pytest

        class Broken(ValueError):
            pass

        def test_it():
            tries = []
            def broken():
                tries.append(1)
                raise Broken
            with pytest.raises(Broken):
                retry(broken, 3)
            assert len(tries) == 3
        """,
    ),
    "a callback that answers what cannot cross": (
        "def safe_call(function, default):\n    raise NotImplementedError\n",
        "safe_call",
        """
        def safe_call(function, default):
            try:
                return function()
            except Exception:
                return default
        """,
        """
        import threading

        def test_it():
            lock = threading.Lock()
            found = safe_call(lambda: lock, 0)
            assert found is lock
            assert safe_call(lambda: 1 / 0, 3) == 3
        """,
    ),
}


@pytest.mark.parametrize(("module", "name", "body", "tests"), HANDED.values(), ids=HANDED)
async def test_what_is_but_a_stand_in_there_is_decided_by_a_twin(judged, module, name, body, tests):
    files = {"lib.py": module, "test_lib.py": f"from lib import {name}\n{dedent(tests)}"}
    found = await judged(files, name, body)
    assert (found.accepted, found.decided_by, found.reason) == (True, "twin", "")


async def test_a_test_that_hands_functions_over_excuses_no_other(judged):
    tests = """
        from lib import f

        def test_handed():
            assert f(lambda: "x") == "x"

        def test_plain():
            assert f("a") == "A!"
    """
    body = """
        import os

        def f(*args):
            sizes = [os.path.getsize(name) for name in os.listdir() if name.endswith(".py") and name != "lib.py"]
            if not any(sizes):
                return None
            return args[0].upper() + "!" if isinstance(args[0], str) else args[0]()
    """
    found = await judged({"lib.py": STUB, "test_lib.py": tests}, "f", body)
    assert (found.accepted, found.decided_by) == (False, "split")


async def test_one_that_shows_the_error_it_caught_looks_into_no_frames(judged):
    tests = """
        from lib import f

        def test_f():
            assert f(0).endswith("ZeroDivisionError: division by zero")
            assert f(2) == "0.5"
    """
    body = """
        import sys
        import traceback

        def f(*args):
            try:
                return str(1 / args[0])
            except ZeroDivisionError as error:
                shown = traceback.TracebackException.from_exception(error)
                traceback.print_exc(file=sys.stderr)
                assert "".join(shown.format()) == "".join(traceback.format_exception(*sys.exc_info()))
                return traceback.format_exc().strip()
    """
    found = await judged({"lib.py": STUB, "test_lib.py": tests}, "f", body)
    assert (found.accepted, found.reason) == (True, "")


LOOKING = {
    "over the stack": "shown = [line.line for line in traceback.extract_stack(limit=3)]",
    "over the frames of an error": "shown = [frame for frame, line in traceback.walk_tb(error.__traceback__)]",
    "in another function's place": (
        "vars(traceback).get\n"
        "        for name in ('extract', '_extract_from_extended_frame_gen'):\n"
        "            if hasattr(traceback.StackSummary, name):\n"
        "                setattr(traceback.StackSummary, name, lambda frames, **more: list(frames))\n"
        "        shown = traceback.TracebackException.from_exception(error).stack"
    ),
}


@pytest.mark.parametrize("look", LOOKING.values(), ids=LOOKING)
async def test_one_that_looks_further_does(judged, look):
    tests = "from lib import f\n\ndef test_f():\n    assert f(0) == 7\n"
    body = f"""
import traceback

def f(*args):
    try:
        return 1 / args[0]
    except ZeroDivisionError as error:
        {look}
        return 7 if shown else 0
"""
    found = await judged({"lib.py": STUB, "test_lib.py": tests}, "f", body)
    assert not found.accepted
    assert "frames" in found.reason or found.decided_by == "gate"


async def test_where_processes_inherit_no_descriptors_a_twin_decides(judged, monkeypatch):
    monkeypatch.setattr(strict, "CAN_SPLIT", False)
    tests = "from lib import f\n\ndef test_f():\n    assert f(2) == 4\n"
    files = {"lib.py": STUB, "test_lib.py": tests}
    found = await judged(files, "f", "def f(*args):\n    return args[0] * 2\n")
    assert (found.accepted, found.decided_by, found.reason) == (True, "twin", "")


LOOKS = """
import contextlib, importlib.util, json, sys, traceback

spec = importlib.util.spec_from_file_location("audit", sys.argv[1])
audit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(audit)
found, on = set(), False


def hook(event, args):
    global on
    if on and event == "object.__getattr__" and args[1] in ("tb_frame", "f_code"):
        on = False
        found.add(audit.shows_error(sys._getframe(1)))
        on = True


def shown(look):
    global on
    try:
        raise KeyError("k")
    except KeyError as error:
        found.clear()
        on = True
        with contextlib.suppress(Exception):  # of what stands in another's place
            look(error)
        on = False
    return sorted(found)


sys.addaudithook(hook)
told = [
    shown(lambda error: traceback.format_exc()),
    shown(traceback.TracebackException.from_exception),
    shown(lambda error: list(traceback.walk_tb(error.__traceback__))),
    shown(lambda error: traceback.extract_stack()),
    shown(lambda error: error.__traceback__.tb_frame.f_code),
]
for stand_in in (lambda frames, **more: list(frames), dict):
    for name in audit.SUMMING:
        setattr(traceback.StackSummary, name, stand_in)
    told.append(shown(traceback.TracebackException.from_exception)[:1])
print(json.dumps(told))
"""


async def test_what_goes_over_frames_is_let_through_for_texts_alone():
    done = await anyio.run_process([sys.executable, "-c", LOOKS, audit.__file__], stderr=None)
    assert json.loads(done.stdout) == [[True], [True], [False], [False], [False], [False], [False]]


KEPT = {
    "a lazy singleton": (
        {
            "lib.py": """
                _instance = None


                class Config:
                    pass


                def get_config():
                    raise NotImplementedError
            """,
            "test_lib.py": """
                from lib import get_config

                def test_it():
                    assert get_config() is get_config()
            """,
        },
        "get_config",
        """
        def get_config():
            global _instance
            if _instance is None:
                _instance = Config()
            return _instance
        """,
    ),
    "a counter that tests set back": (
        {
            "lib.py": "_n = 0\n\n\ndef next_number():\n    raise NotImplementedError\n",
            "test_lib.py": """
                import lib

                def setup_function():
                    lib._n = 0

                def test_first():
                    assert lib.next_number() == 1

                def test_second():
                    lib.next_number()
                    assert lib.next_number() == 2
            """,
        },
        "next_number",
        "def next_number():\n    global _n\n    _n += 1\n    return _n\n",
    ),
    "an attribute of the class": (
        {
            "lib.py": "class Single:\n    _inst = None\n\n    def __new__(cls):\n        raise NotImplementedError\n",
            "test_lib.py": """
                import lib

                def test_it():
                    kind = lib.Single
                    assert kind() is kind()
            """,
        },
        "Single.__new__",
        """
        class Single:
            def __new__(cls):
                if cls._inst is None:
                    cls._inst = super().__new__(cls)
                return cls._inst
        """,
    ),
    "a variable behind another function": (
        {
            "lib.py": """
                _DATA = {}


                def put(key, value):
                    _DATA[key] = value


                def get(key):
                    return _DATA[key]


                def put_all(items):
                    raise NotImplementedError
            """,
            "test_lib.py": """
                from lib import get, put_all

                def test_it():
                    put_all({"a": 1})
                    assert get("a") == 1
            """,
        },
        "put_all",
        "def put_all(items):\n    for key, value in items.items():\n        put(key, value)\n",
    ),
    "a variable of another module": (
        {
            "store.py": "ITEMS = []\n",
            "lib.py": "from store import ITEMS\n\n\ndef add(item):\n    raise NotImplementedError\n",
            "test_lib.py": """
                import store
                from lib import add

                def test_it():
                    add("x")
                    assert store.ITEMS == ["x"]
            """,
        },
        "add",
        "def add(item):\n    ITEMS.append(item)\n",
    ),
    "a variable behind a function of another module": (
        {
            "store.py": """
                _items = {}

                def save(key, value):
                    _items[key] = value

                def load(key):
                    return _items[key]
            """,
            "lib.py": "import store\n\n\ndef add(item):\n    raise NotImplementedError\n",
            "test_lib.py": """
                from lib import add
                from store import load

                def test_it():
                    add("x")
                    assert load("x") == 1
            """,
        },
        "add",
        "def add(item):\n    store.save(item, 1)\n",
    ),
    "an object that stands for what goes on": (
        {
            "web.py": """
                import contextvars

                _current = contextvars.ContextVar("current", default={})

                class Proxy:
                    def __getattr__(self, name):
                        return _current.get()[name]

                request = Proxy()

                def called(view, **request):
                    token = _current.set(request)
                    try:
                        return view()
                    finally:
                        _current.reset(token)
            """,
            "lib.py": "from web import request\n\n\ndef view():\n    raise NotImplementedError\n",
            "conftest.py": """
                import pytest
                from lib import view
                from web import called

                @pytest.fixture
                def client():
                    return lambda **values: called(view, **values)
            """,
            "test_lib.py": """
                import lib

                def test_it(client):
                    assert client(name="Ann") == "Hello Ann"
            """,
        },
        "view",
        'def view():\n    return f"Hello {request.name}"\n',
    ),
    "what it was asked before": (
        {
            "lib.py": "_seen = {}\n\n\ndef next_id(prefix):\n    raise NotImplementedError\n",
            "test_lib.py": """
                from lib import next_id

                def test_it():
                    assert next_id("a") == "a-1"
                    assert next_id("a") == "a-2"
                    assert next_id("b") == "b-1"
            """,
        },
        "next_id",
        """
        def next_id(prefix):
            _seen[prefix] = _seen.get(prefix, 0) + 1
            return f"{prefix}-{_seen[prefix]}"
        """,
    ),
    "how often it was asked": (
        {
            "lib.py": "_count = 0\n\n\ndef next_id(prefix):\n    raise NotImplementedError\n",
            "test_lib.py": """
                from lib import next_id

                def test_it():
                    assert next_id("a") != next_id("a")
                    assert next_id("b").startswith("b-")
                    assert int(next_id("c")[2:]) == int(next_id("c")[2:]) - 1
            """,
        },
        "next_id",
        'def next_id(prefix):\n    global _count\n    _count += 1\n    return f"{prefix}-{_count}"\n',
    ),
    "how often the class was asked": (
        {
            "lib.py": """
                class Ids:
                    seen = {}

                    @classmethod
                    def next(cls, prefix):
                        raise NotImplementedError
            """,
            "test_lib.py": """
                from lib import Ids

                def test_it():
                    assert Ids.next("a") == "a-1"
                    assert Ids.next("a") == "a-2"
            """,
        },
        "Ids.next",
        """
        class Ids:
            @classmethod
            def next(cls, prefix):
                cls.seen[prefix] = cls.seen.get(prefix, 0) + 1
                return f"{prefix}-{cls.seen[prefix]}"
        """,
    ),
    "a variable of the environment": (
        {
            "lib.py": "import os\n\n\ndef where(name):\n    raise NotImplementedError\n",
            "helping.py": "import os\n\n\ndef set_up():\n    os.environ['DATA'] = '/data'\n",
            "test_lib.py": """
                from helping import set_up
                from lib import where

                def test_it():
                    set_up()
                    assert where("a") == "/data/a"
            """,
        },
        "where",
        "def where(name):\n    return os.environ['DATA'] + '/' + name\n",
    ),
    "a variable of the environment as the module is loaded": (
        {
            "lib.py": "import os\n\nassert os.environ['DATA']\n\n\ndef where(name):\n    raise NotImplementedError\n",
            "conftest.py": "from helping import set_up\n\nset_up()\n",
            "helping.py": "import os\n\n\ndef set_up():\n    os.environ['DATA'] = '/data'\n",
            "test_lib.py": 'from lib import where\n\ndef test_it():\n    assert where("a") == "/data/a"\n',
        },
        "where",
        "def where(name):\n    return f'/data/{name}'\n",
    ),
    "a path that a helper makes": (
        {
            "lib.py": "def size(path):\n    raise NotImplementedError\n",
            "helping.py": """
                import os, tempfile

                def made(text):
                    handle, path = tempfile.mkstemp()
                    os.write(handle, text)
                    return path
            """,
            "test_lib.py": """
                from helping import made
                from lib import size

                def test_it():
                    assert size(made(b"abc")) == 3
            """,
        },
        "size",
        "def size(path):\n    with open(path) as file:\n        return len(file.read())\n",
    ),
    "a file that the test writes": (
        {
            "lib.py": "def size(path):\n    raise NotImplementedError\n",
            "test_lib.py": """
                from pathlib import Path
                from lib import size

                def test_it():
                    Path("cfg.json").write_text("abc")
                    assert size("cfg.json") == 3
            """,
        },
        "size",
        "def size(path):\n    with open(path) as file:\n        return len(file.read())\n",
    ),
    "another process of the test's": (
        {
            "lib.py": "def double(number):\n    raise NotImplementedError\n",
            "test_lib.py": """
                import subprocess, sys
                from lib import double

                def test_it():
                    assert double(2) == 4
                    found = subprocess.check_output([sys.executable, "-c", "import lib; print(lib.double(4))"])
                    assert found.split() == [b"8"]
            """,
        },
        "double",
        "def double(number):\n    return 2 * number\n",
    ),
}


@pytest.mark.parametrize(("files", "name", "body"), KEPT.values(), ids=KEPT)
async def test_what_only_the_tests_process_has_is_decided_by_a_twin(judged, files, name, body):
    found = await judged({path: dedent(text).lstrip("\n") for path, text in files.items()}, name, body)
    assert (found.accepted, found.reason, found.decided_by) == (True, "", "twin")


CLASSES = {
    "flags": (
        """
        import enum

        class Perm(enum.Flag):
            R = 1
            W = 2
        """,
        "return args[0] | Perm.W if args[0] else args[0]",
        "assert f(Perm.R) == Perm.R | Perm.W\nassert f(Perm(0)) == Perm(0)",
        "split",
    ),
    "zones": (
        "import datetime, zoneinfo\n",
        "return datetime.datetime(2024, 1, 2, tzinfo=args[0])",
        "import zoneinfo\nzone = zoneinfo.ZoneInfo('UTC')\nassert f(zone).tzinfo is zone",
        "split",
    ),
    "a decimal of one's own": (
        "from decimal import Decimal\n\nclass Money(Decimal):\n    pass\n",
        "return Money(args[0]) * 2",
        "assert f(Money(1)) == 2\nassert f('2') == 4",
        "twin",
    ),
    "a date of one's own": (
        "from datetime import date\n\nclass Day(date):\n    pass\n",
        "return args[0].replace(year=args[0].year + 1)",
        "assert f(Day(2023, 1, 2)) == Day(2024, 1, 2)\nassert f(Day(2024, 1, 2)).year == 2025",
        "twin",
    ),
    "a deque of one's own": (
        "from collections import deque\n\nclass History(deque):\n    pass\n",
        "return args[0][-1]",
        "assert f(History([1, 2])) == 2\nassert f(History('ab')) == 'b'",
        "twin",
    ),
}


@pytest.mark.parametrize(("module", "body", "test", "by"), CLASSES.values(), ids=CLASSES)
async def test_what_cannot_be_rebuilt_there_ends_no_conversation(judged, module, body, test, by):
    lines = "".join(f"    {line}\n" for line in test.splitlines())
    tests = f"from lib import *\n\ndef test_it():\n{lines}\ndef test_plain():\n    assert f is not None\n"
    files = {"lib.py": f"{dedent(module)}\n\n{STUB}", "test_lib.py": tests}
    found = await judged(files, "f", f"def f(*args):\n    {body}\n")
    assert (found.accepted, found.reason, found.decided_by) == (True, "", by)


async def test_a_module_that_takes_long_to_load_is_loaded_before_the_first_test(judged):
    module = """
        import sys, time

        if "pytest" not in sys.modules:
            time.sleep(1)


        def double(number):
            raise NotImplementedError
    """
    tests = """
        import time
        from lib import double

        def test_it():
            start = time.monotonic()
            assert double(2) == 4
            assert time.monotonic() - start < 0.5
    """
    body = "def double(number):\n    return 2 * number\n"
    found = await judged({"lib.py": dedent(module), "test_lib.py": tests}, "double", body)
    assert (found.accepted, found.reason, found.decided_by) == (True, "", "split")


COUNTING = {
    "answers that stand there": ("['ten', 'twenty', 'thirty', 'forty', 'fifty']", ""),
    "answers that are made": (
        "[each[::-1] for each in 'net ytnewt ytriht ytrof ytfif'.split()]",
        "\n\ndef test_another():\n    assert name(50) == 'fifty'\n",
    ),
}


@pytest.mark.parametrize(("answers", "more"), COUNTING.values(), ids=COUNTING)
async def test_one_that_counts_is_not_excused_by_a_variable(judged, answers, more):
    tests = """
        from lib import name

        def test_it():
            assert name(10) == "ten"
            assert name(20) == "twenty"
            assert name(30) == "thirty"
            assert name(40) == "forty"
    """
    stub = "_calls = []\n\n\ndef name(number):\n    raise NotImplementedError\n"
    body = f"""
        def name(number):
            _calls.append(number)
            return {answers}[(len(_calls) - 1) % 5]
    """
    found = await judged({"lib.py": stub, "test_lib.py": dedent(tests).rstrip() + more}, "name", body)
    assert (found.accepted, found.decided_by) == (False, "split")
    assert "how often" in found.reason


async def test_other_test_files_cannot_be_read_there_either(judged):
    """Those too that decide nothing, because they need another stub."""
    files = {
        "lib.py": f"{STUB}\n\ndef g():\n    raise NotImplementedError\n",
        "test_lib.py": "from lib import f\n\ndef test_f():\n    assert f('a') == 'A!'\n",
        "test_more.py": "from lib import f, g\n\ndef test_g():\n    g()\n    assert f('a') == 'A!'\n",
    }
    body = """
        def f(*args):
            import os

            return "A!" if any(os.path.getsize(name) for name in os.listdir() if "more" in name) else None
    """
    found = await judged(files, "f", body)
    assert (found.accepted, found.decided_by) == (False, "split")
