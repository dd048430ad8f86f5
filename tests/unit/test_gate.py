"""The gate: what no test need be spent on."""

from pathlib import Path

import pytest

from engine.languages.base import Solution
from engine.languages.python import Python
from engine.languages.python.conduct import findings
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
    assert gate.judge(2, Solution({"f": "return helper( words )  # again"})) == Refused(
        "the same as candidate 1", same_as=1
    )


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


LIGHT = 'def next_light(c):\n    """The light after red, green or yellow."""\n    pass\n'
LIGHTS = """
@pytest.mark.parametrize(("now", "then"), [("red", "green"), ("green", "yellow"), ("yellow", "red")])
def test_light(now, then):
    assert next_light(now) == then
"""
MAPPING = "{'red': 'green', 'green': 'yellow', 'yellow': 'red'}"
NAMED = {
    "the docstring": LIGHT,
    "annotations": "from typing import Literal\n\n\n"
    "def next_light(c: Literal['red', 'green', 'yellow']) -> str:\n    pass\n",
    "a constant": "LIGHTS = ['green', 'yellow', 'red']\n\n\ndef next_light(c):\n    pass\n",
    "an Enum": "class Light(Enum):\n    RED = 'red'\n    GREEN = 'green'\n    YELLOW = 'yellow'\n\n\n"
    "def next_light(c):\n    pass\n",
}
UNNAMED = {
    "nothing": "def next_light(c):\n    pass\n",
    "half of it": LIGHT.replace("green", "whatever"),
    "examples": LIGHT.replace(
        "The light after red, green or yellow.", ">>> next_light('red')\n    'green'\n    'yellow'\n"
    ),
    "a call": LIGHT.replace("The light after red, green or yellow.", "next_light('red') is green, then yellow."),
    "more than it": "LIGHTS = ['green', 'yellow', 'red', 'blue']\n\n\ndef next_light(c):\n    pass\n",
}


def judged_by(text: str, tests: list[str], name: str, body: str) -> Admitted | Refused:
    return Gate(PYTHON, text, PYTHON.target_named(Path("mod.py"), text, name), tests).judge(1, Solution({name: body}))


@pytest.mark.parametrize(
    "body",
    [
        f"return {MAPPING}[c]",
        "if c == 'red':\n    return 'green'\nif c == 'green':\n    return 'yellow'\n"
        "return 'red' if c == 'yellow' else None",
    ],
)
@pytest.mark.parametrize("text", NAMED.values(), ids=NAMED)
def test_a_table_of_all_that_the_user_has_named_is_suspected_only(text, body):
    found = judged_by(text, [LIGHTS], "next_light", body)
    assert isinstance(found, Admitted)
    target = PYTHON.target_named(Path("mod.py"), text, "next_light")
    assert PYTHON.held_answers(found.text, text, target, [LIGHTS])


@pytest.mark.parametrize("text", UNNAMED.values(), ids=UNNAMED)
def test_a_table_of_what_the_tests_alone_name_is_refused(text):
    assert isinstance(judged_by(text, [LIGHTS], "next_light", f"return {MAPPING}[c]"), Refused)
    documented = f'"""After red, green or yellow."""\nreturn {MAPPING}[c]'
    assert isinstance(judged_by(text, [LIGHTS], "next_light", documented), Refused)


def test_numbers_of_the_docstring_are_no_list_of_what_goes_in():
    text = 'def roman(n):\n    """The numeral of 1 (I), 4 (IV), 9 (IX) and so on."""\n    pass\n'
    assert isinstance(judged_by(text, [TESTS], "roman", TABLES[3].replace("words", "n")), Refused)


def test_what_stands_beside_the_tests_in_their_own_file_is_theirs():
    text = NAMED["a constant"] + LIGHTS
    assert isinstance(judged_by(text, [text], "next_light", f"return {MAPPING}[c]"), Refused)


def test_the_users_own_table_may_be_used():
    text = f"NEXT = {MAPPING}\n\n\ndef next_light(c):\n    pass\n"
    found = judged_by(text, [LIGHTS], "next_light", "return NEXT[c]")
    assert isinstance(found, Admitted)
    target = PYTHON.target_named(Path("mod.py"), text, "next_light")
    assert not PYTHON.held_answers(found.text, text, target, [LIGHTS])


def admitted(text: str, qualname: str, body: str) -> bool:
    gate = Gate(PYTHON, text, PYTHON.target_named(Path("mod.py"), text, qualname))
    return isinstance(gate.judge(1, Solution({qualname: body})), Admitted)


def test_helpers_inside_the_old_body_go_with_it():
    text = "def f(x):\n    def g(y):\n        return y\n    return g(x) - 1\n\n\ndef h():\n    return 1\n"
    assert admitted(text, "f", "return x + 1")
    assert admitted(text, "f", "def k(y):\n    return y + 1\nreturn k(x)")


def test_a_candidate_may_write_the_docstring_that_was_lacking():
    text = "def f(x):\n    pass\n"
    assert admitted(text, "f", '"""Adds one."""\nreturn x + 1')
    assert not admitted(text, "f", '"""Adds one."""\npass')


def test_a_body_that_swallows_what_follows_it_is_refused_in_a_broken_file_too():
    text = "def f(x):\n    pass\n\n\ndef g(x):\n    return x\n\n\ndef half(typed\n"
    assert not admitted(text, "f", 'return """')


def test_very_deep_expressions_are_no_obstacle():
    body = "return " + " + ".join(["x"] * 400)
    assert admitted("def f(x):\n    pass\n", "f", body)
    deep = f"[{' + '.join(['1'] * 600)}]"
    assert PYTHON.copied_answers(TEXT, TEXT, PYTHON.target_named(Path("mod.py"), TEXT, "f"), [f"X = {deep}\n"]) == 0


def test_what_cannot_be_looked_through_is_not_admitted():
    deep = f"_ = {'-' * 600}1"
    assert admitted("def f(x):\n    pass\n", "f", f"{deep}\nreturn x")
    assert not admitted("def f(x):\n    pass\n", "f", f"{deep}\nimport pytest\nreturn x")
    (unread,) = findings(f"def f(x):\n    _ = {'-' * 9000}1\n    import pytest\n")
    assert unread.refused


@pytest.mark.parametrize("broken", ["def g(:\n    return 1\n", "class Later[T, **P]:\n    type X = T\n"])
def test_a_module_that_this_python_cannot_read_is_looked_through_function_by_function(broken):
    text = f"import os as o\n\n\n{broken}\n\ndef f(x):\n    pass\n"
    assert admitted(text, "f", "return x")
    assert not admitted(text, "f", "import pytest\nreturn x")
    assert not admitted(text, "f", "o._exit(0)")


def test_a_byte_order_mark_hides_no_problem():
    assert admitted("\ufeffdef f(x):\n    pass\n", "f", "return x")
    assert not admitted("\ufeffdef f(x):\n    pass\n", "f", "return unheard_of")
    text = "\ufeffdef f(words):\n    pass\n"
    gate = Gate(PYTHON, text, PYTHON.target_named(Path("mod.py"), text, "f"), ["\ufeff" + TESTS])
    assert isinstance(gate.judge(1, Solution({"f": TABLES[0]})), Refused)


def test_answers_are_suspected_that_stand_there_as_constants():
    tests = ["from mod import f\n\ndef test_f():\n    assert f(1) == 'one two'\n    assert f(2) == [3, 4, 5]\n"]
    target = PYTHON.target_named(Path("mod.py"), TEXT, "f")
    table = "def f(words):\n    return 'one two' if words < 2 else [3, 4, 5]\n"
    assert PYTHON.held_answers(table, TEXT, target, tests) == 2
    assert PYTHON.held_answers(table, table, target, tests) == 0, "they were there before"
    assert PYTHON.held_answers("def f(words):\n    return 'one ' + g(words)\n", TEXT, target, tests) == 0
    labels = ["def test_f():\n    assert f(1) == 'a label'\n\ndef test_g():\n    assert f(2) == 'a label'\n"]
    assert PYTHON.held_answers("def f(words):\n    return 'a label'\n", TEXT, target, labels) == 0


EXAMPLES = 'def f(words):\n    """How many.\n\n    >>> f("a b")\n    2\n    """\n    raise NotImplementedError\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (EXAMPLES.replace("    2\n", "    1\n"), "changes the examples of f"),
        (EXAMPLES.replace('f("a b")', 'f("a b")  # doctest: +SKIP'), "changes the examples of f"),
        ("def f(words):\n    return 1\n", "changes the examples of f"),
        (EXAMPLES.replace("raise NotImplementedError", "return 1") + "\nf.__doc__ = ''\n", "__doc__"),
    ],
)
def test_examples_that_are_the_tests_stay_as_they_are(text, reason):
    target = PYTHON.target_named(Path("mod.py"), EXAMPLES, "f")
    text = text.replace("raise NotImplementedError", "return 1")
    judged = Gate(PYTHON, EXAMPLES, target, [EXAMPLES]).judge_module(text)
    assert isinstance(judged, Refused) and reason in judged.reason
    assert isinstance(Gate(PYTHON, EXAMPLES, target, [TESTS]).judge_module(text), Admitted)


def test_a_text_without_end_is_not_looked_at(gate):
    judged = gate.judge_module(MODULE + "X = [" + "1, " * 400_000 + "]\n")
    assert isinstance(judged, Refused) and "characters long" in judged.reason


def test_what_is_nested_too_deeply_is_said_to_be(gate):
    judged = gate.judge(1, Solution({"f": "return " + "-" * 50_000 + "1"}))
    assert isinstance(judged, Refused) and judged.reason.removeprefix("does not parse: ")


def test_a_table_by_another_name_is_recognised_as_well():
    gate = Gate(PYTHON, TEXT, PYTHON.target_named(Path("mod.py"), TEXT, "f"), [TESTS])
    tables = [
        "known = {1: 'I', 4: 'IV'}\nknown |= {9: 'IX'}\nreturn known.get(words)",
        "inputs = [1, 4, 9]\nanswers = 'I IV IX'.split()\nreturn answers[inputs.index(words)]",
    ]
    for number, body in enumerate(tables):
        verdict = gate.judge(number, Solution({"f": body}))
        assert isinstance(verdict, Refused) and "from a table" in verdict.reason


def test_what_no_honest_function_needs_is_refused_with_its_line(gate):
    verdict = gate.judge(1, Solution({"f": "return os._exit(0)"}))
    assert verdict == Refused("line 10 ends or steers the test process (os._exit)")


def test_what_is_unusual_is_admitted_with_a_flag(gate):
    verdict = gate.judge(1, Solution({"f": "return os.environ.get(words)"}))
    assert isinstance(verdict, Admitted)
    assert verdict.flags == ("uses the environment (os.environ.get)",)


MODULE = TEXT.replace("    raise NotImplementedError\n", "    return helper(words)\n")


def test_a_whole_module_is_looked_at_as_well(gate):
    assert gate.judge_module(MODULE) == Admitted(Solution({"f": MODULE}), MODULE)
    assert isinstance(gate.judge_module(MODULE + "\nTABLE = {}\n\n\ndef more():\n    return TABLE\n"), Admitted)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def f(words:\n", "does not parse"),
        ("def g(words):\n    return 1\n", "does not define f"),
        (MODULE + "\nimport atexit\n", "(import atexit)"),
        (MODULE + "\nos._exit(0)\n", "(os._exit)"),
    ],
)
def test_a_module_that_cannot_take_the_place_of_the_old_one_is_refused(gate, text, reason):
    verdict = gate.judge_module(text)
    assert isinstance(verdict, Refused)
    assert reason in verdict.reason


@pytest.mark.parametrize("signature", ["words, more=1", "words, *rest", "*, words=1, **k", "*args, **kwargs", ""])
def test_whether_a_modules_signature_fits_is_for_the_tests_to_say(gate, signature):
    assert isinstance(gate.judge_module(f"def f({signature}):\n    return 1\n"), Admitted)


@pytest.mark.parametrize("line", ["from work import f", "from work import *", "f = g = print", "f, g = print, len"])
def test_a_modules_function_may_come_from_anywhere(gate, line):
    assert isinstance(gate.judge_module(f"{line}\n"), Admitted)


def test_a_method_may_come_from_a_base_or_a_decorator_but_its_class_must_be_there():
    text = "class C:\n    def m(self, x):\n        raise NotImplementedError\n"
    gate = Gate(PYTHON, text, PYTHON.target_named(Path("mod.py"), text, "C.m"))
    assert isinstance(gate.judge_module("class C:\n    def m(self, x):\n        return x\n"), Admitted)
    assert isinstance(gate.judge_module("class C:\n    m = lambda self, x: x\n"), Admitted)
    assert isinstance(
        gate.judge_module("class B:\n    def m(self, x):\n        return x\n\nclass C(B):\n    pass\n"), Admitted
    )
    assert gate.judge_module("class B:\n    pass\n") == Refused("does not define C")
