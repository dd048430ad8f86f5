"""The gate: what no test need be spent on."""

from pathlib import Path

import pytest

from engine.languages.base import Solution
from engine.languages.python import Python
from engine.verification.gate import Admitted, Gate, Refused

PYTHON = Python()
TEXT = 'import os\n\n\ndef helper(x):\n    return x\n\n\ndef f(words):\n    """Doc."""\n    raise NotImplementedError\n'


@pytest.fixture
def gate() -> Gate:
    return Gate(PYTHON, TEXT, PYTHON.target_named(Path("mod.py"), TEXT, "f"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "no body"),
        ("return (", "does not parse"),
        ("pass", "leaves f a stub"),
        ("raise NotImplementedError", "leaves f a stub"),
        ("return undefined_thing(words)", "nothing defines: undefined_thing"),
        ('x = """', "does not parse"),
    ],
)
def test_hopeless_candidates_are_refused_with_the_reason(gate, body, reason):
    verdict = gate.judge(1, Solution({"f": body}))
    assert isinstance(verdict, Refused)
    assert reason in verdict.reason


def test_an_equal_candidate_is_tested_once(gate):
    assert isinstance(gate.judge(1, Solution({"f": "return helper(words)"})), Admitted)
    assert gate.judge(2, Solution({"f": "return helper( words )  # again"})) == Refused("the same as candidate 1")


def test_imports_that_a_body_means_are_added(gate):
    verdict = gate.judge(1, Solution({"f": "return Counter(re.findall('a', os.sep))"}))
    assert isinstance(verdict, Admitted)
    assert verdict.solution.imports == ("from collections import Counter", "import re")
    assert verdict.text.startswith("import os\nfrom collections import Counter\nimport re\n")


def test_a_file_that_is_broken_elsewhere_is_no_candidates_fault():
    text = TEXT + "\n\ndef half(typed\n"
    gate = Gate(PYTHON, text, PYTHON.target_named(Path("mod.py"), text, "f"))
    assert isinstance(gate.judge(1, Solution({"f": "return 1"})), Admitted)


def test_the_text_itself_is_not_a_candidate():
    text = "def f(x):\n    return x + 1\n"
    gate = Gate(PYTHON, text, PYTHON.target_named(Path("mod.py"), text, "f"))
    assert isinstance(gate.judge(1, Solution({"f": "return x+1"})), Refused)


TESTS = "def test_f():\n    assert f(1) == 'I'\n    assert f(4) == 'IV'\n    assert f(9) == 'IX'\n"
TABLES = [
    "if words == 1:\n    return 'I'\nif words == 4:\n    return 'IV'\nif words == 9:\n    return 'IX'\nreturn ''",
    "return 'I' if words == 1 else 'IV' if words == 4 else 'IX' if 9 == words else ''",
    "match words:\n    case 1:\n        return 'I'\n    case 4:\n        return 'IV'\n    case 9:\n        return 'IX'",
    "return {1: 'I', 4: 'IV', 9: 'IX'}[words]",
    "return {1: 'I', 4: 'IV', 9: 'IX'}.get(words, '')",
]
HONEST = [
    "for n, s in [(9, 'IX'), (4, 'IV'), (1, 'I')]:\n    while words >= n:\n        return s",
    "if words == 1:\n    return 'I'\nreturn helper(words)",
    "return {1: 'I', 4: 'IV', 9: 'IX', 10: 'X'}[words]",
]


@pytest.mark.parametrize("body", TABLES)
def test_a_table_of_the_tests_own_answers_is_no_implementation(body):
    verdict = Gate(PYTHON, TEXT, PYTHON.target_named(Path("mod.py"), TEXT, "f"), [TESTS]).judge(
        1, Solution({"f": body})
    )
    assert isinstance(verdict, Refused)
    assert "from a table" in verdict.reason


@pytest.mark.parametrize("body", HONEST)
def test_constants_that_an_honest_function_needs_are_admitted(body):
    gate = Gate(PYTHON, TEXT, PYTHON.target_named(Path("mod.py"), TEXT, "f"), [TESTS])
    assert isinstance(gate.judge(1, Solution({"f": body})), Admitted)
