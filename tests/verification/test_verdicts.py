"""What decides: the user's own tests, found because they reach the target, each run and each passed."""

import pytest
from attrs import evolve

from engine.errors import BrokenJudgeError, NoTestsError, VacuousJudgeError
from engine.verification.base import TestOutcome
from engine.verification.verifier import reach_statement

pytestmark = pytest.mark.anyio

SLUG = """
def slugify(text):
    raise NotImplementedError

def title(text):
    raise NotImplementedError
"""
GOOD = (
    "def slugify(text):\n    return '-'.join(text.lower().split())\n\ndef title(text):\n    raise NotImplementedError\n"
)
BAD = GOOD.replace("'-'.join(text.lower().split())", "text.lower().replace(' ', '-')")

TESTS = """
import pytest
from slug import slugify, title

@pytest.mark.parametrize("text, slug", [("A B", "a-b"), ("X", "x"), ("a  b", "a-b")])
def test_slugs(text, slug):
    assert slugify(text) == slug

class TestMore:
    def test_case(self):
        assert slugify("Q") == "q"

    @pytest.mark.skip(reason="another day")
    def test_skipped(self):
        assert slugify("Q") == "q"

    @pytest.mark.xfail
    def test_expected_to_fail(self):
        assert slugify("Q") == "Q"

@pytest.fixture(scope="module")
def made():
    return slugify("A B")

def test_first_user_of_the_fixture(made):
    assert made == "a-b"

def test_second_user_of_the_fixture(made):
    assert made == "a-b"

def test_that_needs_another_stub():
    with pytest.raises(NotImplementedError):
        slugify("")
    assert title("a") == "A"

def test_of_something_else():
    assert True
"""


async def test_the_judge_is_the_tests_that_reach_the_target(project, opened, level):
    work = project({"slug.py": SLUG, "tests/test_slug.py": TESTS, "conftest.py": ""})
    async with opened(work, level) as verifier:
        found = await work.baseline(verifier, "slug.py", ["slugify"], ["title"])
    file = "tests/test_slug.py"
    assert found.judge.tests == (
        f"{file}::test_slugs[A B-a-b]",
        f"{file}::test_slugs[X-x]",
        f"{file}::test_slugs[a  b-a-b]",
        f"{file}::TestMore::test_case",
        f"{file}::test_first_user_of_the_fixture",
        f"{file}::test_second_user_of_the_fixture",
    )
    assert found.judge.blocked == {f"{file}::test_that_needs_another_stub": "title"}
    assert list(found.judge.excluded) == [f"{file}::TestMore::test_expected_to_fail"]
    assert found.judge.files == (work.root / file,)
    assert {result.outcome for result in found.verdict.results} == {TestOutcome.FAILED, TestOutcome.ERROR}
    assert found.time_limit >= 5.0


async def test_a_good_text_passes_and_a_bad_one_does_not(project, opened, level):
    work = project({"slug.py": SLUG, "tests/test_slug.py": TESTS, "conftest.py": ""})
    async with opened(work, level) as verifier:
        found = await work.baseline(verifier, "slug.py", ["slugify"], ["title"])
        seen = []
        good = await verifier.run(
            found.judge, {work.root / "slug.py": GOOD}, time_limit=found.time_limit, on_result=seen.append
        )
        bad = await work.verdict(verifier, found, "slug.py", BAD)
    assert good.passed and good.tests_passed == good.tests_total == 6 and not good.reason
    assert [result.id for result in seen] == list(found.judge.tests)
    assert good.decided_by == f"pytest, {level} sandbox"
    assert good.cpu_seconds > 0
    assert not bad.passed and bad.tests_passed == 5
    failure = bad.first_failure
    assert failure.id == "tests/test_slug.py::test_slugs[a  b-a-b]"
    assert failure.message == "AssertionError: assert 'a--b' == 'a-b'"
    assert "assert slugify(text) == slug" in failure.detail
    assert failure.frames == (("tests/test_slug.py", 6),)


async def test_unsaved_buffers_are_what_is_tested(project, opened, level):
    work = project({"slug.py": "", "test_slug.py": ""})
    buffers = {
        "slug.py": "from extra import SEPARATOR\n\ndef slugify(text):\n    ...\n",
        "extra.py": "SEPARATOR = '_'\n",
        "test_slug.py": "from slug import slugify\n\ndef test_it():\n    assert slugify('a b') == 'a_b'\n",
    }
    async with opened(work, level) as verifier:
        found = await work.baseline(verifier, "slug.py", ["slugify"], buffers=buffers)
        text = buffers["slug.py"].replace("...", "return text.replace(' ', SEPARATOR)")
        overlays = {work.root / name: content for name, content in {**buffers, "slug.py": text}.items()}
        result = await verifier.run(found.judge, overlays, time_limit=found.time_limit)
    assert result.passed, result
    assert work.snapshot() == {"slug.py": b"", "test_slug.py": b""}


async def test_a_method_in_a_src_layout_with_a_conftest_that_imports_the_package(project, opened, level):
    stub = "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n        pass\n"
    work = project(
        {
            "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\ntestpaths = ["tests"]\n',
            "src/pile/__init__.py": "from pile.stack import Stack\n",
            "src/pile/stack.py": stub,
            "tests/conftest.py": """
                import pytest
                import pile

                @pytest.fixture
                def stack():
                    return pile.Stack()
                """,
            "tests/test_stack.py": "def test_push(stack):\n    stack.push(1)\n    assert stack.items == [1]\n",
        }
    )
    async with opened(work, level) as verifier:
        found = await work.baseline(verifier, "src/pile/stack.py", ["Stack.push"])
        good = stub.replace("pass", "self.items.append(item)")
        result = await work.verdict(verifier, found, "src/pile/stack.py", good)
    assert found.judge.tests == ("tests/test_stack.py::test_push",)
    assert result.passed, result


UNITTESTS = """
import unittest
from shop.prices import total

class TotalTest(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(total([1, 2]), 3)

    def test_each(self):
        for prices, expected in (([], 0), ([5], 5)):
            with self.subTest(prices=prices):
                self.assertEqual(total(prices), expected)

    @unittest.skip("another day")
    def test_skipped(self):
        self.assertEqual(total([]), 0)

class PreparedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = total([4])

    def test_made(self):
        self.assertEqual(self.made, 4)
"""


@pytest.mark.parametrize("with_pytest", [True, False])
@pytest.mark.slow
async def test_a_unittest_project_needs_no_pytest(project, opened, python, with_pytest):
    stub = "def total(prices):\n    raise NotImplementedError\n"
    work = project(
        {"shop/__init__.py": "", "shop/prices.py": stub, "tests/__init__.py": "", "tests/test_prices.py": UNITTESTS}
    )
    async with opened(work) as verifier:
        if not with_pytest:
            verifier.interpreter = evolve(python, frameworks={"unittest": "3"})
        found = await work.baseline(verifier, "shop/prices.py", ["total"])
        good = await work.verdict(
            verifier, found, "shop/prices.py", stub.replace("raise NotImplementedError", "return sum(prices)")
        )
        bad = await work.verdict(
            verifier, found, "shop/prices.py", stub.replace("raise NotImplementedError", "return sum(prices) or None")
        )
    assert found.judge.framework == ("pytest" if with_pytest else "unittest")
    names = {test.replace("::", ".").rpartition(".")[2] for test in found.judge.tests}
    assert names == {"test_sum", "test_each", "test_made"}
    assert good.passed, good
    assert not bad.passed and bad.first_failure.id.endswith("test_each")
    assert "None != 0" in bad.first_failure.message


@pytest.mark.slow
async def test_examples_in_the_docstring_judge_where_no_other_test_does(project, opened):
    stub = "def double(number):\n    '''\n    >>> double(2)\n    4\n    '''\n    return None\n"
    work = project({"lib/__init__.py": "", "lib/numbers.py": stub})
    path = work.root / "lib/numbers.py"
    async with opened(work) as verifier:
        found = await verifier.baseline(
            target_path=path, targets=["double"], stubs=["double"], overlays={}, nominated=(),
            instrumented={path: stub.replace("    return", f"    {reach_statement('double')}\n    return")},
        )  # fmt: skip
        result = await work.verdict(verifier, found, "lib/numbers.py", stub.replace("None", "2 * number"))
    assert found.judge.tests == ("lib/numbers.py::lib.numbers.double",)
    assert result.passed, result


@pytest.mark.slow
async def test_a_file_that_calls_the_target_while_it_is_loaded_is_judged_as_a_whole(project, opened):
    stub = "def cases():\n    raise NotImplementedError\n"
    tests = """
        import pytest
        from lib import cases

        @pytest.mark.parametrize("n", cases())
        def test_n(n):
            assert n > 0
        """
    work = project({"lib.py": stub, "test_lib.py": tests})
    async with opened(work) as verifier:
        found = await work.baseline(verifier, "lib.py", ["cases"])
        good = await work.verdict(verifier, found, "lib.py", "def cases():\n    return [1, 2]\n")
        bad = await work.verdict(verifier, found, "lib.py", "def cases():\n    return [1, -2]\n")
        empty = await work.verdict(verifier, found, "lib.py", "def cases():\n    return []\n")
        still = await work.verdict(verifier, found, "lib.py", stub)
    assert found.judge.tests == ("test_lib.py::*",)
    assert good.passed and good.tests_total == 2
    assert not bad.passed and bad.tests_passed == 1
    assert not empty.passed
    assert not still.passed and still.first_failure.message == "NotImplementedError"


async def test_a_judge_that_passes_already_is_refused(project, opened):
    work = project({"lib.py": "def f():\n    pass\n", "test_lib.py": "import lib\n\ndef test_f():\n    lib.f()\n"})
    async with opened(work) as verifier:
        with pytest.raises(VacuousJudgeError, match=r"test_lib\.py::test_f"):
            await work.baseline(verifier, "lib.py", ["f"])


async def test_a_test_file_that_cannot_be_loaded_is_named_with_its_error(project, opened):
    work = project({"lib.py": "def f():\n    pass\n", "test_lib.py": "import nowhere_at_all\nfrom lib import f\n"})
    async with opened(work) as verifier:
        with pytest.raises(BrokenJudgeError, match=r"test_lib.py cannot be loaded: .*nowhere_at_all"):
            await work.baseline(verifier, "lib.py", ["f"])


async def test_no_test_that_reaches_the_target_is_said_so(project, opened):
    files = {"lib.py": "def f():\n    pass\n", "test_lib.py": "import lib\n\ndef test_g():\n    assert lib.f\n"}
    work = project(files)
    async with opened(work) as verifier:
        with pytest.raises(NoTestsError, match=r"No test reaches f: 1 test of test_lib.py ran, none called it"):
            await work.baseline(verifier, "lib.py", ["f"])


async def test_tests_that_another_stub_blocks_are_named(project, opened):
    tests = "from slug import slugify, title\n\ndef test_both():\n    assert slugify(title('a')) == 'a'\n"
    work = project({"slug.py": SLUG.replace("raise NotImplementedError", "pass"), "test_slug.py": tests})
    async with opened(work) as verifier:
        with pytest.raises(NoTestsError, match="also needs title, which is not implemented yet"):
            await work.baseline(verifier, "slug.py", ["slugify"], ["title"])


async def test_a_stub_that_the_target_itself_calls_blocks_nothing(project, opened):
    text = "def outer():\n    return inner()\n\ndef inner():\n    return 1\n"
    work = project({"lib.py": text, "test_lib.py": "import lib\n\ndef test_outer():\n    assert lib.outer() == 2\n"})
    async with opened(work) as verifier:
        found = await work.baseline(verifier, "lib.py", ["outer"], ["inner"])
    assert found.judge.tests == ("test_lib.py::test_outer",)
    assert found.verdict.results[0].blocked_by == ()


@pytest.mark.slow
async def test_settings_of_the_project_that_bite_are_disarmed(project, opened):
    config = "[pytest]\naddopts = -x --lf -W error --tb=no --maxfail=1 -p no:randomly\nfilterwarnings = error\n"
    tests = "from lib import f\n\ndef test_a():\n    assert f() == 1\n\ndef test_b():\n    assert f() == 1\n"
    work = project({"lib.py": "def f():\n    pass\n", "test_lib.py": tests, "pytest.ini": config})
    async with opened(work) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        result = await work.verdict(verifier, found, "lib.py", "def f():\n    return 1\n")
    assert len(found.judge.tests) == 2
    assert result.passed, result


async def test_a_run_can_stop_at_the_first_failure(project, opened):
    tests = "from lib import f\n\ndef test_a():\n    assert f() == 1\n\ndef test_b():\n    assert f() == 1\n"
    work = project({"lib.py": "def f():\n    pass\n", "test_lib.py": tests})
    async with opened(work) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        result = await verifier.run(found.judge, {}, time_limit=5.0, stop_at_first_failure=True)
    assert [each.outcome for each in result.results] == [TestOutcome.FAILED, TestOutcome.MISSING]
    assert not result.passed
