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
