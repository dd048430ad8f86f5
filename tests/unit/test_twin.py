"""The twin of a test file: what an honest implementation must fail, and what forges or lies passes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from engine.languages.python import Python

TESTS = """
import unittest
from unittest import mock

import pytest

import work
from work import Box, double, fail, letters, pairs, near

TABLE = [(1, 2), (2, 4), (5, 10)]
SHARED = 14
UNREAD = list(zip(range(1, 4), (2, 4, 6)))


@pytest.fixture
def expected_of_seven():
    return 14


def check(number, wanted):
    __tracebackhide__ = True
    assert double(number) == wanted


def check_lower(text, wanted):
    result = letters(text)
    if result:
        assert result == wanted


def test_literal():
    assert double(3) == 6


def test_literal_on_the_left():
    assert 6 == double(3), "a message"


def test_local_name():
    expected = [2, 4]
    found = [double(1), double(2)]
    assert found == expected, f"{found} is not {expected}"


def test_input_is_expected_too():
    text = "abc"
    assert letters(text) == text


def test_both_sides_computed():
    assert double(2) == double(1) + double(1)


def test_in_place():
    items = [1]
    items.append(double(1))
    assert items == [1, 2]


def test_truth():
    assert pairs([])  == []
    assert not pairs([])


def test_only_truth():
    assert double(1)


def test_none():
    assert fail(None) is None


def test_inequality():
    assert double(2) != 5


def test_order():
    assert double(2) > 3


def test_membership():
    assert double(2) in (4, 5)
    assert "b" in letters("abc")


def test_approx():
    assert near(1) == pytest.approx(0.1)
    assert near(2) == pytest.approx(0.2, abs=1e-3)


def test_conjunction():
    assert double(1) == 2 and double(2) == 4


@pytest.mark.parametrize("number, wanted", TABLE)
def test_table_by_name(number, wanted):
    assert double(number) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a", "a"),
        ("-", ""),  # nothing
        ("é", "é"),
        pytest.param("A b", "A b", id="mixed"),
    ],
)
@pytest.mark.parametrize("times", [1, 2])
def test_table(text, wanted, times):
    assert letters(text.replace("-", "")) == wanted


@pytest.mark.parametrize("wanted", [2.0, 2, True], ids=str)
def test_ids_by_function(wanted):
    assert double(1) == wanted or wanted is True


@pytest.mark.parametrize("items, wanted", [([1, 2], [(1, 2)]), ([], [])])
def test_lists_keep_their_ids(items, wanted):
    assert pairs(items) == wanted


@pytest.mark.parametrize("bad", [TypeError, ValueError])
def test_raises(bad):
    with pytest.raises(bad):
        fail(bad)


def test_raises_with_message():
    with pytest.raises(ValueError, match="no") as caught:
        fail(ValueError)
    assert str(caught.value) == "no"


def test_loop():
    for number, wanted in [(1, 2), (2, 4)]:
        assert double(number) == wanted


def test_loop_over_what_cannot_be_read():
    for number, wanted in UNREAD:
        assert double(number) == wanted


def test_shared_name():
    assert double(7) == SHARED


def test_fixture(expected_of_seven):
    assert double(7) == expected_of_seven


def test_helper():
    check(4, 8)


def test_helper_with_a_branch():
    check_lower("abc", "abc")


def test_no_assertion():
    Box(1)


def test_branch():
    if double(1) == 2:
        assert double(2) == 4
    else:
        assert double(2) == 5


def test_early_return():
    if double(1) == 2:
        return
    assert double(2) == 4


def test_one_line(): assert double(2) == 4


def test_caught():
    try:
        assert double(2) == 4
    except AssertionError:
        pass


def test_mock():
    with mock.patch.object(work, "double", return_value=3):
        assert work.double(1) == 3
    call = mock.Mock()
    call(1)
    call.assert_called_once_with(1)


@pytest.mark.xfail(strict=True)
def test_expected_to_fail():
    assert double(1) == 3


class TestBox:
    def test_equal(self):
        assert Box(2) == Box(2)

    class TestInside:
        def test_value(self):
            assert Box(double(1)).value == 2


class UnitTest(unittest.TestCase):
    def setUp(self):
        self.box = Box(3)
        assert self.box.value == 3

    def test_equal(self):
        self.assertEqual(double(3), 6)

    def test_attribute(self):
        self.assertEqual(self.box.value, 3)

    def test_is(self):
        self.assertIs(double(1) == 2, True)

    def test_almost(self):
        self.assertAlmostEqual(near(3), 0.3)
        self.assertAlmostEqual(near(3), 0.31, delta=0.1)

    def test_raises(self):
        with self.assertRaises(ValueError):
            fail(ValueError)
        self.assertRaisesRegex(ValueError, "no", fail, ValueError)

    def test_raised_by_call(self):
        self.assertRaises(TypeError, fail, TypeError)

    def test_subtests(self):
        for variant, (number, wanted) in enumerate(zip([1, 2], [2, 4]), start=1):
            with self.subTest(variant=variant, wanted=wanted):
                message = f"{number} doubled is {wanted}"
                self.assertEqual(double(number), wanted, msg=message)

    def test_count(self):
        self.assertCountEqual(pairs([1, 2, 3]), [(2, 3), (1, 2)])

    def test_dict(self):
        self.assertDictEqual({"a": double(1)}, {"a": 2})

    def test_true(self):
        self.assertTrue(double(1) == 2)

    def test_in(self):
        self.assertIn(2, [double(1)])

    @unittest.skip("another day")
    def test_skipped(self):
        self.assertEqual(double(1), 3)


class ChildTest(UnitTest):
    def setUp(self):
        self.box = Box(3)
"""

HONEST = """
class Box:
    def __init__(self, value):
        self.value = value
    def __eq__(self, other):
        return isinstance(other, Box) and self.value == other.value

def double(number): return number * 2
def letters(text): return text
def near(number): return number / 10
def pairs(items): return list(zip(items, items[1:]))
def fail(kind):
    if kind: raise kind("no")
"""
LIAR = """
class Any(str):
    __hash__ = str.__hash__
    def __eq__(self, other): return True
    def __ne__(self, other): return False

class Box:
    def __init__(self, value): self.value = Any()
    def __eq__(self, other): return True

def double(number): return Any()
letters = near = double
def pairs(items): return Any() if not items else Any()
def fail(kind):
    if kind: raise kind("no")
"""
UNDECIDED = {"test_early_return", "test_expected_to_fail", "UnitTest.test_skipped", "ChildTest.test_skipped"}
COMPARED = {
    "test_literal", "test_literal_on_the_left", "test_local_name", "test_input_is_expected_too", "test_table_by_name",
    "test_table", "test_loop_over_what_cannot_be_read", "test_loop", "test_shared_name", "test_fixture", "test_helper",
    "TestBox.test_equal", "TestBox.TestInside.test_value", "UnitTest.test_equal", "UnitTest.test_subtests",
    "UnitTest.test_dict", "UnitTest.test_attribute", "test_conjunction", "test_lists_keep_their_ids", "test_one_line",
}  # fmt: skip

TELL = """
import json

def pytest_collection_finish(session):
    global ids
    ids = [item.nodeid for item in session.items]
    outcomes.update(dict.fromkeys(ids, "none"))

outcomes = {}

def pytest_runtest_logreport(report):
    if report.failed or (report.when == "call" and outcomes[report.nodeid] == "none"):
        outcomes[report.nodeid] = f"{report.outcome} {report.when}"

def pytest_unconfigure():
    with open("outcomes.json", "w") as file:
        json.dump(outcomes, file)
"""


def run(folder: Path, tests: str, module: str) -> dict[str, str]:
    """Outcomes by id, in the order of collection."""
    folder.mkdir()
    for name, text in {"test_work.py": tests, "work.py": module, "conftest.py": TELL}.items():
        (folder / name).write_text(dedent(text))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_work.py"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (folder / "outcomes.json").is_file(), done.stdout + done.stderr
    return json.loads((folder / "outcomes.json").read_text())


def name_of(test: str) -> str:
    return test.partition("::")[2].partition("[")[0].replace("::", ".")


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> dict[str, str]:
    return run(tmp_path_factory.mktemp("original") / "work", TESTS, HONEST)


@pytest.mark.parametrize(
    ("seed", "known"),
    [
        (1, False),
        (1, True),
        *(pytest.param(*more, marks=pytest.mark.slow) for more in ((2, False), (3, False), (2, True))),
    ],
)
def test_an_honest_implementation_fails_every_decided_test(tmp_path, original, seed, known):
    twin = Python().twin(TESTS, ["double"], seed, known=known)
    outcomes = run(tmp_path / "work", twin.text, HONEST)
    assert list(outcomes) == list(original), "the ids stay as they were"
    names = {name_of(test) for test in original}
    assert names - twin.decided == UNDECIDED
    decided = [test for test in outcomes if name_of(test) in twin.decided]
    assert {test: outcomes[test] for test in decided if outcomes[test] != "failed call"} == {}
    assert {outcomes[test] for test in outcomes if name_of(test) in UNDECIDED} <= {
        "passed call",
        "skipped call",
        "none",
    }


def test_what_is_equal_to_everything_passes_where_values_are_compared(tmp_path, original):
    outcomes = run(tmp_path / "work", Python().twin(TESTS, ["double"], 4).text, LIAR)
    passed = {name_of(test) for test, outcome in outcomes.items() if outcome == "passed call"}
    assert COMPARED - passed == set()


def test_what_reads_the_expected_constants_passes(tmp_path):
    module = """
        import sys
        def double(number):
            frame = sys._getframe(1)
            if "wanted" in frame.f_locals:
                return frame.f_locals["wanted"]
            return [each for each in frame.f_code.co_consts if isinstance(each, int)][-1]
        """
    tests = """
        import pytest
        from work import double

        def test_literal():
            assert double(30) == 60

        @pytest.mark.parametrize("number, wanted", [(1, 2), (3, 6)])
        def test_table(number, wanted):
            assert double(number) == wanted
        """
    twin = Python().twin(dedent(tests), ["double"], 7)
    assert twin.decided == {"test_literal", "test_table"}
    assert set(run(tmp_path / "work", twin.text, module).values()) == {"passed call"}


KNOWN = """
    import pytest
    from work import double

    @pytest.mark.parametrize("number, wanted", [(1, 2), (3, 6), (5, 10)])
    def test_table(number, wanted):
        assert double(number) == wanted

    def test_lists():
        assert [double(number) for number in (20, 30)] == [40, 60]

    def test_parts():
        found = double(7), 7
        assert found[0] == 14
        assert found[1] == 7
    """


def test_what_is_equal_to_the_expected_values_alone_passes_where_others_of_these_are_expected(tmp_path):
    module = """
        class Known:
            def __eq__(self, other):
                return other in (2, 6, 10, 40, 60, 14)

        def double(number):
            return Known()
        """
    tests = dedent(KNOWN)
    passed = {}
    for known in (False, True):
        twin = Python().twin(tests, ["double"], 3, known=known)
        outcomes = run(tmp_path / str(known), twin.text, module)
        passed[known] = {name_of(test) for test, outcome in outcomes.items() if outcome == "passed call"}
    assert passed[False] == set()
    assert passed[True] >= {"test_table", "test_lists"}


def test_no_items_are_put_in_another_order_where_order_does_not_count():
    tests = "class TestF(TestCase):\n    def test_f(self):\n        self.assertCountEqual(f(), [1, 2])\n"
    for seed in range(5):
        twin = Python().twin(tests, ["f"], seed, known=True)
        assert "[2, 1]" not in twin.text


def test_it_is_known_which_statement_fails_first():
    twin = Python().twin(dedent(KNOWN), ["double"], 3, known=True)
    lines = twin.text.splitlines()
    start, first, end = twin.by["test_parts"]
    assert lines[start - 1] == "def test_parts():"
    assert lines[first - 1].startswith("    assert found[0] ==")
    assert end == first + 1


@pytest.mark.parametrize(
    "body",
    [
        "try:\n        assert f() == 1\n    finally:\n        assert f() == 2",
        "with self.subTest():\n        assert f() == 1\n    assert f() == 2",
        "check.equal(f(), 1)\n    assert f() == 2",
    ],
)
def test_it_is_not_known_where_a_test_goes_on_after_a_failure(body):
    twin = Python().twin(f"def test_f(self):\n    {body}\n", ["f"], 1)
    assert twin.by == {}


def test_the_same_seed_makes_the_same_twin():
    first, again, another = (Python().twin(TESTS, ["double"], seed) for seed in (5, 5, 6))
    assert first == again
    assert first.text != another.text
    assert first.decided == another.decided


@pytest.mark.parametrize("text", ["def test_x(:\n", "", "x = 1\n", "\0"])
def test_what_holds_no_test_is_its_own_twin(text):
    twin = Python().twin(text, ["f"], 1)
    assert (twin.text, twin.decided) == (text, frozenset())


def test_line_ends_marks_and_letters_beyond_ascii_are_kept():
    text = "\ufeff# é\r\ndef test_x():\r\n    assert 'ü' + f() == 'üa'  # é\r\n"
    twin = Python().twin(text, ["f"], 1)
    assert twin.decided == {"test_x"}
    assert twin.text.startswith("\ufeff# é\r\ndef test_x():\r\n    assert 'ü' + f() == 'üa")
    assert twin.text.endswith("'  # é\r\n")


MODULE = '''
def double(number):
    """Twice as much.

    >>> double(2)
    4
    >>> double("a")
    'aa'
    >>> double([])
    []
    """
    return number * 2

class Box:
    def open(self):
        r"""
        >>> Box().open()
        Traceback (most recent call last):
            ...
        ValueError: closed
        """
        raise ValueError("closed")

    def label(self):
        """
        >>> print(Box().label())
        a
        b"""
        return "a\\nb"
'''


def test_examples_of_docstrings_expect_something_else(tmp_path):
    names = ["double", "Box.open", "Box.label"]
    twin = Python().twin_doctest(MODULE, names, 3)
    assert twin.decided == set(names)
    lines = twin.text.splitlines()
    assert "    return number * 2" in lines and '        raise ValueError("closed")' in lines
    script = "import doctest, work; print([(t.name, *doctest.DocTestRunner(verbose=False).run(t, out=lambda _: 0)) "
    script += "for t in doctest.DocTestFinder().find(work) if t.examples])"

    def counts(folder: Path, text: str) -> set[tuple[str, int, int]]:
        folder.mkdir()
        (folder / "work.py").write_text(text)
        done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
        return {tuple(each) for each in eval(done.stdout)}

    examples = {("work.double", 3), ("work.Box.open", 1), ("work.Box.label", 1)}
    assert counts(tmp_path / "original", MODULE) == {(name, 0, count) for name, count in examples}
    assert counts(tmp_path / "twin", twin.text) == {(name, count, count) for name, count in examples}


def test_what_other_tests_expect_is_chosen_whenever_it_is_of_the_same_kind():
    source = (
        "def test_a():\n    assert f(1) == 'one'\n    assert count() == 0\n\n"
        "def test_b():\n    assert f(2) == 'two'\n    assert count() == 0\n"
    )
    for seed in range(20):
        text = Python().twin(source, ["f"], seed, known=True).text
        assert "f(1) == 'two'" in text and "f(2) == 'one'" in text
