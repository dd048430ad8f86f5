"""Projects in which something unusual stands around the target, and an honest candidate is accepted all the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from textwrap import dedent

import pytest

from engine.config import Settings
from engine.errors import BlockedJudgeError
from engine.judgement import Judgement, judge_text
from engine.request import ImplementRequest

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

Judge = Callable[[Mapping[str, str], str, str], Awaitable[Judgement]]


@pytest.fixture
def judged(project, python, monkeypatch: pytest.MonkeyPatch) -> Judge:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("GREENFINCH_PYTHON", str(python.path))

    async def judge(files: Mapping[str, str], name: str, candidate: str) -> Judgement:
        workspace = project({path: dedent(text).lstrip("\n") for path, text in files.items()})
        request = ImplementRequest(workspace.root, workspace.root / "lib.py", name)
        return await judge_text(Settings.load(), request, dedent(candidate).lstrip("\n"), "target")

    return judge


CALCULATOR = """
    class Calculator:
        def __init__(self):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            ...

        def add(self, one, other):
            raise NotImplementedError

        def divide(self, one, other):
            raise NotImplementedError
"""
ADD = """
    class Calculator:
        def add(self, one, other):
            return one + other
"""
DIVIDE = """
    class Calculator:
        def divide(self, one, other):
            return one / other
"""


async def test_what_is_empty_on_purpose_blocks_no_test(judged: Judge) -> None:
    tests = """
        from lib import Calculator

        def test_add():
            with Calculator() as calculator:
                assert calculator.add(1, 2) == 3
    """
    found = await judged({"lib.py": CALCULATOR, "test_lib.py": tests}, "Calculator.add", ADD)
    assert found.accepted, found.reason
    assert "taken to be empty on purpose: Calculator.__exit__, Calculator.__init__" in found.warnings


async def test_what_raises_not_implemented_still_blocks(judged: Judge) -> None:
    tests = """
        from lib import Calculator

        def test_both():
            half = Calculator().divide(4, 2)
            assert Calculator().add(half, 1) == 3
    """
    module = CALCULATOR[: CALCULATOR.rindex("raise")] + "...\n"  # so that the test goes on after it
    with pytest.raises(BlockedJudgeError, match=r"also needs Calculator\.add, which is not"):
        await judged({"lib.py": module, "test_lib.py": tests}, "Calculator.divide", DIVIDE)


async def test_a_class_may_keep_a_method_that_was_empty(judged: Judge) -> None:
    tests = """
        from lib import Calculator

        def test_add():
            assert Calculator().add(1, 2) == 3

        def test_divide():
            with Calculator() as calculator:
                assert calculator.divide(4, 2) == 2
    """
    whole = """
        class Calculator:
            def __init__(self):
                pass

            def __exit__(self, *error):
                pass

            def add(self, one, other):
                return one + other

            def divide(self, one, other):
                return one / other
    """
    found = await judged({"lib.py": CALCULATOR, "test_lib.py": tests}, "Calculator", whole)
    assert found.accepted, found.reason
    left = whole.replace("return one / other", "raise NotImplementedError")
    refused = await judged({"lib.py": CALCULATOR, "test_lib.py": tests}, "Calculator", left)
    assert refused.reason == "leaves divide a stub"


SQUARE = {"lib.py": "def square(number):\n    pass\n"}
SQUARED = "def square(number):\n    return number * number\n"
MARKED = """
    import pytest
    from lib import square

    @pytest.mark.size(1)
    def test_square():
        assert square(3) == 9
"""


async def test_planted_tests_do_without_the_projects_automatic_fixtures(judged: Judge) -> None:
    conftest = """
        import pytest

        @pytest.fixture(autouse=True, params=["sqlite", "pg"])
        def backend(request):
            return request.param

        @pytest.fixture(autouse=True)
        def marked(request):
            assert request.node.get_closest_marker("size").args
    """
    files = SQUARE | {"conftest.py": conftest, "test_lib.py": MARKED}
    found = await judged(files, "square", SQUARED)
    assert found.accepted, found.reason


async def test_planted_tests_may_be_ended_by_hooks_of_the_project(judged: Judge) -> None:
    conftest = """
        def pytest_runtest_setup(item):
            assert item.get_closest_marker("size").args
    """
    files = SQUARE | {"conftest.py": conftest, "test_lib.py": MARKED}
    found = await judged(files, "square", SQUARED)
    assert found.accepted, found.reason


async def test_a_target_that_is_called_as_its_test_file_is_loaded_is_judged_by_its_tests(judged: Judge) -> None:
    tests = """
        from lib import square

        RESULT = square(3)

        def test_table():
            assert RESULT == 9

        def test_another():
            assert square(2) == 4

        def test_nothing():
            pass
    """
    files = SQUARE | {"test_lib.py": tests}
    found = await judged(files, "square", SQUARED)
    assert found.accepted, found.reason
    assert [test.id.rpartition("::")[2] for test in found.tests] == ["test_table", "test_another"]
    wrong = await judged(files, "square", "def square(number):\n    return 4\n")
    assert not wrong.accepted
