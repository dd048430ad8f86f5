"""Prompts: short, to the point, and with equal beginnings."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.errors import TargetNotFoundError
from engine.languages.base import Solution
from engine.languages.python import Python
from engine.prompting import PARTS, build_prompt
from engine.prompting.context import failure_text, file_context, judge_context
from engine.verification.base import TestOutcome, TestResult

PYTHON = Python()
FILE = Path("mod.py")
TEXT = '''import re

LIMIT = 3


def helper(x):
    """Help."""
    return x + LIMIT


def other(y):
    raise NotImplementedError


class Box:
    def size(self):
        raise NotImplementedError

    def put(self, item):
        """Keep it."""
        ...


def target(z):
    """Do it."""
    raise NotImplementedError
'''
TESTS = """import pytest
from mod import (
    Box,
    target,
)

DATA = [1, 2]


@pytest.fixture
def box():
    return Box()


def test_target():
    from mod import target
    assert target(1) == DATA


def test_other(box):
    assert box.size() == 0
"""


def context(qualname: str, text: str = TEXT, **options: int) -> str:
    return file_context(PYTHON, text, PYTHON.target_named(FILE, text, qualname), **options)


def test_the_file_is_shown_without_other_stubs():
    shown = context("target")
    assert "def other" not in shown
    assert "return x + LIMIT" in shown
    assert shown.startswith("import re")


def test_a_method_is_shown_with_its_whole_class():
    assert "def size" in context("Box.put")


def test_a_long_file_shows_signatures_in_place_of_other_bodies():
    text = TEXT.replace("return x + LIMIT", "\n    ".join(f"x += {n}" for n in range(400)) + "\n    return x")
    shown = context("target", text, budget=600)
    assert "x += 7" not in shown
    assert 'def helper(x):\n    """Help."""\n    ...' in shown
    assert '"""Do it."""' in shown


LONG = "        " + "\n        ".join(f"self.total += {n}" for n in range(60)) + "\n"
ACCOUNT = f'''class Account:
    def __init__(self):
        self.total = 0

    def far(self):
{LONG}
    def balance(self):
        """What `deposit` has left."""
        raise NotImplementedError

    def near(self):
        return self.total > 0

    def deposit(self, amount):
        self.total += amount


def unrelated():
{LONG.replace("self.", "")}'''


def test_a_long_class_shows_its_fields_and_the_bodies_that_tell_most():
    shown = context("Account.balance", ACCOUNT, budget=500)
    for told in ("self.total = 0", "return self.total > 0", "self.total += amount"):
        assert told in shown
    assert "    def far(self):\n        ..." in shown, "there is no room for the whole of it"
    assert "total += 7" not in shown


def test_the_shorter_the_budget_the_less_is_told_of_what_matters_least():
    shown = [context("Account.balance", ACCOUNT, budget=budget) for budget in (4000, 500, 300, 220, 170)]
    assert [len(text) for text in shown] == sorted((len(text) for text in shown), reverse=True)
    assert all(len(text) <= budget for text, budget in zip(shown[1:], (500, 300, 220, 170), strict=True))
    marks = ("total += 7", "def unrelated", "def far", "self.total += amount", "self.total = 0", "def balance")
    told = [[mark in text for mark in marks] for text in shown]
    assert told[0] == [True] * 6
    assert told[-1] == [False, False, False, False, True, True]
    for less, more in zip(told[1:], told, strict=False):
        assert all(after <= before for after, before in zip(less, more, strict=True))


@given(st.integers(0, len(ACCOUNT)), st.integers(0, 200), st.sampled_from(["", "def ", "(", "\n", '"""']),
       st.integers(150, 1000))  # fmt: skip
def test_whatever_is_broken_around_it_the_target_is_shown(at, length, new, budget):
    broken = ACCOUNT[:at] + new + ACCOUNT[at + length :]
    doc = '"""What `deposit` has left."""'
    try:
        shown = context("Account.balance", broken, budget=budget)
    except TargetNotFoundError:
        return
    assert doc in shown or doc not in broken or broken.count('"""') != 2


def test_a_huge_file_shows_its_head_and_what_is_near():
    text = TEXT.replace("LIMIT = 3", "\n".join(f"NUMBER_{n} = {n}" for n in range(2000)))
    shown = context("target", text, budget=800)
    assert len(shown) < 1000
    assert shown.startswith("import re")
    assert '"""Do it."""' in shown


def test_the_judge_is_shown_without_imports_and_other_tests():
    shown = judge_context(PYTHON, [TESTS], ["test_mod.py::test_target"])
    assert "DATA = [1, 2]" in shown
    assert "assert target(1) == DATA" in shown
    assert "import" not in shown
    assert "test_other" not in shown


def test_a_file_that_is_judged_as_a_whole_is_shown_with_all_its_tests():
    shown = judge_context(PYTHON, [TESTS], ["test_mod.py::*"])
    assert "test_target" in shown and "test_other" in shown


def test_too_many_tests_are_shown_as_far_as_they_fit():
    many = "".join(f"def test_{n}():\n    assert target({n}) == {n}\n\n\n" for n in range(200))
    shown = judge_context(PYTHON, [many], [f"t.py::test_{n}[a::b]" for n in range(200)], budget=500)
    assert len(shown) <= 600
    assert shown.startswith("def test_0")


def test_a_repair_begins_as_every_other_prompt_of_the_run():
    target = PYTHON.target_named(FILE, TEXT, "target")
    prompt = build_prompt(PYTHON, TEXT, target, [TESTS], ["test_mod.py::test_target"])
    failure = TestResult(
        "t.py::test_target", TestOutcome.FAILED, message="assert 1 == 2", detail="> x\nE  assert 1 == 2"
    )
    repair = prompt.repair(Solution({"target": "return z"}), failure)
    assert repair[: len(prompt.messages)] == prompt.messages
    assert "    return z" in repair[-2].content
    assert "E  assert 1 == 2" in repair[-1].content


def test_the_reply_is_prefilled_up_to_the_docstring():
    target = PYTHON.target_named(FILE, TEXT, "Box")
    prompt = build_prompt(PYTHON, TEXT, target, [TESTS], ["test_mod.py::test_other"])
    assert prompt.prefill({}, "Box.size") == "```python\ndef size(self):\n"
    second = prompt.prefill({"Box.size": "return 0"}, "Box.put")
    assert second == '```python\ndef size(self):\n    return 0\n\n\ndef put(self, item):\n    """Keep it."""\n'


def test_a_failure_is_told_by_the_lines_that_show_its_values():
    assert (
        failure_text("def test():\n>   assert 1 == 2\nE   assert 1 == 2", "m") == ">   assert 1 == 2\nE   assert 1 == 2"
    )
    assert failure_text("", "boom") == "boom"
    assert len(failure_text("\n".join(f"E   {'x' * 5000}" for _ in range(50)), "m")) < 4000


def test_code_beside_or_like_an_import_stays_in_the_judge():
    source = (
        "import json; DATA = [1]\nTEXT = '''\nimport os\n'''\n\n"
        "def test_f():\n    from mod import f; assert f(1) == DATA\n"
    )
    assert judge_context(PYTHON, [source], ["t.py::test_f"]) == source.strip("\n")


def test_variants_of_the_prompt_ask_for_what_they_are_called():
    target = PYTHON.target_named(FILE, TEXT, "target")
    prompt = build_prompt(PYTHON, TEXT, target, [TESTS], ["test_mod.py::test_target"])
    asked = {name: prompt.asked(name)[-1].content for name in ("plain", "plan", "steps", "bare")}
    assert asked["plain"] == prompt.messages[-1].content
    assert "numbered plan" in asked["plan"]
    assert "small steps" in asked["steps"]
    assert asked["plan"].startswith(asked["plain"])  # what all share comes first, for the host's cache
    assert "LIMIT" not in asked["bare"]
    assert "def target(z):" in asked["bare"]
    assert "assert target(1) == DATA" in asked["bare"]


def test_each_part_of_a_prompt_can_be_left_out():
    target = PYTHON.target_named(FILE, TEXT, "target")
    marks = {"surroundings": "LIMIT", "related": "def elsewhere()", "tests": "assert target(1) == DATA"}
    for part in (*PARTS, ""):
        prompt = build_prompt(PYTHON, TEXT, target, [TESTS], ["test_mod.py::test_target"], "def elsewhere(): ...",
                              without=frozenset({part}))  # fmt: skip
        assert {name for name, mark in marks.items() if mark in prompt.messages[-1].content} == {*marks} - {part}
        assert prompt.whole is (part == "prefill")
        assert "def target(z):" in prompt.messages[-1].content


def test_what_the_gate_has_against_a_candidate_can_be_repaired_too():
    target = PYTHON.target_named(FILE, TEXT, "target")
    prompt = build_prompt(PYTHON, TEXT, target, [TESTS], ["test_mod.py::test_target"])
    failure = TestResult("", TestOutcome.ERROR, message="uses names that nothing defines: nope")
    repair = prompt.repair(Solution({"target": "return nope"}), failure)
    assert "nothing defines: nope" in repair[-1].content
