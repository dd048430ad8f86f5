"""What has passed is judged again, the strict way: by whom it was decided, and what does not get through."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from engine.config import Settings
from engine.judgement import Judgement, judge_text
from engine.request import ImplementRequest

pytestmark = pytest.mark.anyio

MODULE = """
    import threading


    class Word:
        def __init__(self, text):
            self.text = text


    def shout(text):
        raise NotImplementedError


    def word(text):
        raise NotImplementedError


    class Counter:
        def __init__(self):
            self.lock = threading.Lock()
            self.count = 0

        def add(self, number):
            raise NotImplementedError
"""
TESTS = """
    import random
    import pytest
    from lib import Counter, Word, shout, word

    def test_shout():
        assert shout("a") == "A!"

    def test_shout_more():
        assert shout("bc") == "BC!"

    def test_word():
        found = word("x")
        assert type(found).__name__ == "Loud"
        assert found.text == "X"

    def test_counter():
        counter = Counter()
        counter.add(2)
        assert counter.count == 2
"""


@pytest.fixture
def judged(project, python, monkeypatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("GREENFINCH_PYTHON", str(python.path))

    async def judge(name: str, candidate: str, tests: str = TESTS, replace: str = "target") -> Judgement:
        workspace = project({"lib.py": MODULE, "test_lib.py": tests})
        request = ImplementRequest(workspace.root, workspace.root / "lib.py", name)
        before = workspace.snapshot()
        found = await judge_text(Settings.load(), request, dedent(candidate).lstrip("\n"), replace)  # type: ignore[arg-type]
        assert workspace.snapshot() == before
        return found

    return judge


async def test_plain_arguments_and_answers_are_decided_by_a_split_run(judged):
    found = await judged("shout", "def shout(text):\n    return text.upper() + '!'\n")
    assert (found.accepted, found.decided_by, found.reason, found.overfit_suspect) == (True, "split", "", "")
    assert [test.id for test in found.tests] == ["test_lib.py::test_shout", "test_lib.py::test_shout_more"]


async def test_an_object_with_a_lock_in_it_is_decided_by_a_twin(judged):
    found = await judged("Counter.add", "class Counter:\n    def add(self, number):\n        self.count += number\n")
    assert (found.accepted, found.decided_by, found.reason) == (True, "twin", "")


async def test_an_answer_of_a_class_of_its_own_is_decided_by_a_twin(judged):
    body = "def word(text):\n    class Loud(Word):\n        pass\n    return Loud(text.upper())\n"
    found = await judged("word", body)
    assert (found.accepted, found.decided_by, found.reason) == (True, "twin", "")


async def test_a_test_that_reaches_into_the_implementation_is_decided_by_a_twin(judged):
    tests = """
        import lib

        def test_shout(monkeypatch):
            monkeypatch.setattr(lib, "MARK", "?", raising=False)
            assert lib.shout("a") == "A?"
    """
    found = await judged("shout", "def shout(text):\n    return text.upper() + globals().get('MARK', '!')\n", tests)
    assert (found.accepted, found.decided_by, found.reason) == (True, "twin", "")


async def test_where_nothing_can_be_turned_around_the_tests_decide_and_it_is_said(judged):
    tests = """
        from lib import Counter

        def generated():
            def check(self):
                counter = Counter()
                counter.add(1)
                assert counter.count == 1
            return type("TestCounter", (), {"test_counter": check})

        TestCounter = generated()
    """
    found = await judged(
        "Counter.add", "class Counter:\n    def add(self, number):\n        self.count += number\n", tests
    )
    assert (found.accepted, found.decided_by) == (True, "tests")
    assert found.undecided == ("test_lib.py::TestCounter::test_counter",)


async def test_a_whole_module_with_a_helper_of_its_own_is_decided_by_a_split_run(judged):
    module = dedent(MODULE).replace(
        "def shout(text):\n    raise NotImplementedError",
        "MARK = '!'\n\n\ndef _marked(text):\n    return text + MARK\n\n\n"
        "def shout(text):\n    return _marked(text.upper())",
    )
    found = await judged("shout", module, replace="module")
    assert (found.accepted, found.decided_by, found.reason) == (True, "split", "")


async def test_a_coin_is_not_accepted_however_it_falls_at_first(judged):
    body = "import random\n\ndef shout(text):\n    return text.upper() + random.SystemRandom().choice('!?')\n"
    assert not (await judged("shout", body)).accepted


LIAR = """
    def shout(text):
        class Anything:
            def __eq__(self, other):
                return bool(other)
        return Anything()
"""


async def test_an_answer_that_is_equal_to_everything_is_not_accepted(judged):
    assert not (await judged("shout", LIAR)).accepted


FORGER = """
    import importlib

    def shout(text):
        harness = importlib.import_module("_py" + "test.python".lower())
        name = "".join(reversed("tset" + "nur"))
        for kind in vars(harness).values():
            if name in getattr(kind, "__dict__", {}):
                type.__setattr__(kind, name, lambda self: None)
        return ""
"""


async def test_a_harness_that_was_tampered_with_is_not_believed(judged):
    assert not (await judged("shout", FORGER)).accepted


async def test_planted_tests_show_that_a_run_is_not_to_be_believed(project, opened, python):
    from engine.verification.base import Judge

    tests = "from lib import f\n\ndef test_f():\n    assert f() == 1\n"
    workspace = project({"lib.py": "def f():\n    raise NotImplementedError\n", "test_lib.py": tests})
    root = workspace.root
    judge = Judge("pytest", ("test_lib.py::test_f",), (root / "test_lib.py",), folder=root)
    text = dedent("""
        def f():
            import _pytest.python
            _pytest.python.Function.runtest = lambda self: None
            return 1
    """)
    async with opened(workspace) as verifier:
        plain = await verifier.run(judge, {root / "lib.py": text}, time_limit=20)
        assert plain.passed
        planted = await verifier.run(judge, {root / "lib.py": text}, time_limit=20, decoys=True)
        assert not planted.passed and "planted" in planted.reason
        honest: dict[Path, str] = {root / "lib.py": "def f():\n    return 1\n"}
        assert (await verifier.run(judge, honest, time_limit=20, decoys=True)).passed
