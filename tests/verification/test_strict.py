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


@pytest.mark.slow
async def test_an_object_with_a_lock_in_it_is_decided_by_a_twin(judged):
    found = await judged("Counter.add", "class Counter:\n    def add(self, number):\n        self.count += number\n")
    assert (found.accepted, found.decided_by, found.reason) == (True, "twin", "")


@pytest.mark.slow
async def test_an_answer_of_a_class_of_its_own_is_decided_by_a_twin(judged):
    body = "def word(text):\n    class Loud(Word):\n        pass\n    return Loud(text.upper())\n"
    found = await judged("word", body)
    assert (found.accepted, found.decided_by, found.reason) == (True, "twin", "")


@pytest.mark.slow
async def test_a_test_that_reaches_into_the_implementation_is_decided_by_a_twin(judged):
    tests = """
        import lib

        def test_shout(monkeypatch):
            monkeypatch.setattr(lib, "MARK", "?", raising=False)
            assert lib.shout("a") == "A?"
    """
    found = await judged("shout", "def shout(text):\n    return text.upper() + globals().get('MARK', '!')\n", tests)
    assert (found.accepted, found.decided_by, found.reason) == (True, "twin", "")


@pytest.mark.slow
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


@pytest.mark.slow
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


REGISTRY = """
    REGISTRY = {}


    def register(name):
        raise NotImplementedError


    def registered(name):
        return REGISTRY[name]


    def cached(number):
        raise NotImplementedError
"""
STATE = """
    from reg import cached, register, registered

    def test_register():
        @register("a")
        def f():
            return 1
        assert registered("a") is f

    def test_cached():
        assert cached(3) == 9
        assert cached.calls == 1
"""


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("register", "def register(name):\n    return lambda f: REGISTRY.setdefault(name, f)\n"),
        ("cached", "def cached(number):\n    cached.calls = 1\n    return number * number\n"),
    ],
)
@pytest.mark.slow
async def test_what_is_kept_in_the_module_is_decided_by_a_twin(project, python, monkeypatch, name, body):
    monkeypatch.setenv("GREENFINCH_PYTHON", str(python.path))
    workspace = project({"reg.py": REGISTRY, "test_reg.py": STATE})
    request = ImplementRequest(workspace.root, workspace.root / "reg.py", name)
    found = await judge_text(Settings.load(), request, body)
    assert (found.accepted, found.decided_by, found.reason) == (True, "twin", "")


@pytest.mark.slow
async def test_a_test_that_shares_more_excuses_no_other(judged):
    tests = (
        TESTS
        + """
    def test_time(monkeypatch):
        import lib
        monkeypatch.setattr(lib, "MARK", "!", raising=False)
        assert lib.shout("") == "!"
"""
    )
    body = """
        import os

        def shout(text):
            sizes = [os.path.getsize(name) for name in os.listdir() if name.endswith(".py") and name != "lib.py"]
            return text.upper() + "!" if any(sizes) else ""
    """
    found = await judged("shout", body, tests)
    assert (found.accepted, found.decided_by) == (False, "split")


async def test_one_that_reads_the_tests_is_not_accepted_however_it_finds_them(judged):
    body = """
        import os

        def shout(text):
            names = [name for name in os.listdir() if name.endswith(".py") and name != "lib.py"]
            return open(names[0]).read().partition(f'"{text}") == "')[2].partition('"')[0]
    """
    found = await judged("shout", body)
    assert not found.accepted
    assert "opens test_lib.py, where the tests are kept" in found.reason


@pytest.mark.slow
async def test_one_that_looks_into_frames_is_not_accepted_however_it_spells_that(judged):
    body = """
        def shout(text):
            def joined(*words):
                return "_".join(words)

            def look():
                yield getattr(own, joined("gi", "frame")) is not None

            own = look()
            return text.upper() + "!" * next(own)
    """
    found = await judged("shout", body)
    assert not found.accepted
    assert "looks into frames" in found.reason


KNOWN = """
    def shout(text):
        class Known:
            def __init__(self):
                self.known = {"A!", "BC!"}

            def __eq__(self, other):
                return other in self.known

        return Known()
"""


@pytest.mark.slow
async def test_an_answer_that_is_equal_to_all_that_tests_expect_is_not_accepted(judged):
    found = await judged("shout", KNOWN)
    assert (found.accepted, found.decided_by) == (False, "twin")


@pytest.mark.slow
async def test_an_assertion_that_is_passed_amid_a_failing_test_is_noticed(judged):
    tests = """
        from lib import Counter, shout

        def test_both():
            assert shout("a") == "A!"
            counter = Counter()
            assert counter.count == 0

        def test_other():
            assert shout("bc") == "BC!"
            assert Counter().count == 0
    """
    found = await judged("shout", KNOWN, tests)
    assert not found.accepted
    assert "passes an assertion that contradicts the user's" in found.reason


@pytest.mark.slow
async def test_answers_that_stand_in_the_text_are_suspected(judged):
    tests = """
        from lib import shout

        def test_shout():
            assert shout("good morning") == "GOOD MORNING!"
            assert shout("hello") == "HELLO!"
    """
    body = "def shout(text):\n    return {5: 'HELLO!', 12: 'GOOD MORNING!'}.get(len(text), text)\n"
    found = await judged("shout", body, tests)
    assert found.accepted and "as constants" in found.overfit_suspect
    assert not (await judged("shout", "def shout(text):\n    return text.upper() + '!'\n", tests)).overfit_suspect


@pytest.mark.slow
async def test_pieces_that_answers_are_made_of_are_not_suspected(judged):
    tests = """
        from lib import shout

        def test_shout():
            assert shout("x") == "so"
            assert shout("xx") == "no"
            assert shout("xxx") == "soso"
            assert shout("xxxx") == "long"
            assert shout("xxxxxxxxx") == "longlongso"
    """
    body = """
        def shout(text):
            left, said = len(text), ""
            for size, word in ((4, "long"), (3, "soso"), (2, "no"), (1, "so")):
                while left >= size:
                    said, left = said + word, left - size
            return said
    """
    found = await judged("shout", body, tests)
    assert found.accepted and found.decided_by == "split" and not found.overfit_suspect
    table = "{1: 'so', 2: 'no', 3: 'soso', 4: 'long', 9: 'longlongso'}"
    found = await judged("shout", f"def shout(text):\n    return {table}.get(len(text), text)\n", tests)
    assert "as constants" in found.overfit_suspect


@pytest.mark.parametrize("candidate", ["", "def whisper(text):\n    return text\n", "def shout(text:\n", "x = '\0'\n"])
@pytest.mark.slow
async def test_a_text_without_the_target_does_not_pass(judged, candidate):
    found = await judged("shout", candidate)
    assert (found.accepted, found.decided_by) == (False, "gate")
    assert "does not define shout" in found.reason


@pytest.mark.slow
async def test_of_several_definitions_the_last_counts(judged):
    right = "def shout(text):\n    return text.upper() + '!'\n"
    wrong = "def shout(text):\n    return text\n"
    assert (await judged("shout", wrong + right)).accepted
    assert not (await judged("shout", right + wrong)).accepted


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


@pytest.mark.slow
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
