"""Choice among passers, values as expressions, inputs near others, and the tests that answers become."""

import ast
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.languages.base import apply_edits
from engine.languages.python.newtest import new_test
from engine.search import Attempt, Passer, Sample, choose, distinguishing, stands_alone
from engine.search.choice import FEW, LIKELY
from engine.verification.agent.plain import Codec, Outgoing
from engine.verification.inputs import near
from engine.verification.values import NotWritable, answer_text, call_text, equal_form


def message(target, *args, **kwargs):
    """The request that a split run sends for a call."""
    out = Outgoing(Codec("tests", lambda *_: None, lambda *_: None, lambda _: None, lambda *_: None))
    told = {"ask": "call", "target": target, "args": [out.value(value) for value in args],
            "kwargs": [[name, out.value(value)] for name, value in kwargs.items()]}  # fmt: skip
    return {**told, "objects": out.objects()}


def answer(value):
    out = Outgoing(Codec("candidate", lambda *_: None, lambda *_: None, lambda _: None, lambda *_: None))
    told = out.value(value)
    return {"value": told, "objects": out.objects(), "heard": []}


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    | st.tuples(inner, inner) | st.sets(st.integers(), max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(PLAIN)
def test_values_are_told_as_expressions_that_mean_them(value):
    try:
        text = call_text(message("f", value))
    except NotWritable:
        return
    assert eval(text, {"f": lambda x: x, "inf": float("inf")}) == value
    told = answer_text(answer(value), {})
    assert not told.writable or eval(told.text) == value


def shuffled(value, chance):
    """An equal value whose dictionaries and sets came to be in another order, and some of whose numbers are others."""
    if isinstance(value, dict):
        return dict(chance.sample([(key, shuffled(item, chance)) for key, item in value.items()], len(value)))
    if isinstance(value, set):
        return set(chance.sample(sorted(value), len(value)))
    if isinstance(value, list | tuple):
        return type(value)(shuffled(item, chance) for item in value)
    if isinstance(value, int | float) and value == int(value if abs(value) < 2**50 else 0):
        return chance.choice([int(value), float(value)])
    return value


@given(PLAIN, PLAIN, st.randoms(use_true_random=False))
def test_answers_have_the_same_form_exactly_if_python_calls_them_equal(one, other, chance):
    forms = [equal_form(answer(value), {}) for value in (one, shuffled(one, chance), other)]
    assert forms[0] == forms[1]
    assert (forms[0] == forms[2]) == (one == other)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, True),
        (Counter("aab"), {"b": 1, "a": 2}, True),
        (True, 1.0, True),
        (0.0, -0.0, True),
        ({1, 2}, frozenset({2, 1}), True),
        ([1], (1,), False),
        ("1", 1, False),
        (None, "None", False),
        ([[1], []], [[], [1]], False),
        (2**60, float(2**60), True),
        (2**60 + 1, float(2**60), False),
        (1 + 0j, 1 + 1j, False),
    ],
)
def test_what_tests_cannot_tell_apart_is_one_answer(one, other, equal):
    assert (one == other) == equal
    assert (equal_form(answer(one), {}) == equal_form(answer(other), {})) == equal


def test_arguments_changed_in_place_are_a_part_of_the_answer_and_loops_have_an_end():
    sent = message("f", [2, 1])["objects"]
    answers = [{"value": None, "objects": {"0": ["list", items]}} for items in ([1, 2], [2, 1])]
    forms = {equal_form(each, sent) for each in answers}
    assert len(forms) == 2
    cyclic: list = []
    cyclic.append(cyclic)
    assert equal_form(answer(cyclic), {}) != equal_form(answer([]), {})


def test_calls_with_keywords_exceptions_and_what_cannot_be_told():
    assert call_text(message("f", [1, (2,)], key={"a": {3}})) == "f([1, (2,)], key={'a': {3}})"
    raised = {"raised": {"classes": [["builtins", "ValueError"]]}, "objects": {}}
    assert (answer_text(raised, {}).text, answer_text(raised, {}).writable) == ("ValueError", True)
    own = {"raised": {"classes": [["m", "OwnError"]]}, "objects": {}}
    assert not answer_text(own, {}).writable
    for wrong in (message("C.m", 1), message("f", "x" * 1000)):
        with pytest.raises(NotWritable):
            call_text(wrong)
    cyclic: list = []
    cyclic.append(cyclic)
    with pytest.raises(NotWritable):
        call_text(message("f", cyclic))


def test_a_value_is_not_all_where_an_argument_was_changed_in_place():
    sent = message("f", [2, 1])["objects"]
    changed = {"value": None, "objects": {"0": ["list", [1, 2]]}, "heard": []}
    assert not answer_text(changed, sent).writable


def test_inputs_near_others_keep_their_types():
    calls = [message("f", [3, 1, 2], "ab", True, 2.5), message("f", [], "c", False, 0.0)]
    found = near(calls, 60)
    assert len(found) > 30
    assert found == near(calls, 60)
    assert len({repr(each) for each in found}) == len(found)
    assert not any(each in calls for each in found)
    for each in found:
        value = eval(call_text(each), {"f": lambda *args: args, "inf": float("inf")})
        assert [type(item) for item in value] == [list, str, bool, float]


OUTCOMES = {1: ("a", "x", "p"), 2: ("a", "y", "p"), 3: ("a", "y", "p"), 4: ("a", "z", "q")}


def test_the_largest_group_comes_first_then_weight_then_the_shorter_then_the_faster():
    passers = [Passer(1, size=1), Passer(2, size=9), Passer(3, size=5), Passer(4, size=2)]
    found = choose(passers, OUTCOMES)
    assert found.order[:2] == (3, 2)
    assert found.groups == {3: 1, 2: 1, 1: 2, 4: 3}
    assert choose([Passer(1, 5), *passers[1:]], OUTCOMES).order[0] == 1
    quick = [Passer(2, size=5, seconds=0.1), Passer(3, size=5, seconds=3.0)]
    assert choose(quick, OUTCOMES).order == (2, 3)


def test_of_groups_of_one_the_one_comes_first_that_most_agree_with():
    found = choose([Passer(1), Passer(2), Passer(4)], {1: ("a", "b", "c"), 2: ("a", "b", "d"), 4: ("z", "y", "d")})
    assert found.order[0] == 2


def test_nothing_known_leaves_the_votes_and_no_question():
    found = choose([Passer(1), Passer(2, weight=3)], {})
    assert found.order == (2, 1)
    assert distinguishing(2, {}, ()) is None
    assert distinguishing(2, {1: ("a",), 3: ("b",)}, (1,)) is None  # nothing is known of the winner itself


def test_the_question_is_the_smallest_input_on_which_another_differs_from_the_winner():
    assert distinguishing(3, OUTCOMES, (5, 4, 3)) == 2
    assert distinguishing(3, OUTCOMES, (5, 4, None)) == 1  # the last cannot be told
    without = {number: told for number, told in OUTCOMES.items() if number != 4}
    assert distinguishing(3, without, (5, 4, 3)) == 1
    assert distinguishing(3, {2: OUTCOMES[2], 3: OUTCOMES[3]}, (5, 4, 3)) is None


@given(st.lists(st.tuples(st.integers(1, 5), st.text("ab", min_size=2, max_size=2)), min_size=1, max_size=7))
def test_no_passer_is_lost_and_the_order_does_not_depend_on_the_order_given(rows):
    passers = [Passer(number, weight) for number, (weight, _) in enumerate(rows, 1)]
    outcomes = {number: tuple(text) for number, (_, text) in enumerate(rows, 1)}
    found = choose(passers, outcomes)
    assert sorted(found.order) == [passer.number for passer in passers]
    assert choose(passers[::-1], outcomes).order == found.order


def written(text, framework="pytest", **changes):
    about = {"module": "m", "name": "f", "call": "f([])", "answer": "0", "raises": False, **changes}
    return apply_edits(text, (new_test(text, framework, **about),))


def test_a_new_test_for_pytest():
    text = "from m import f\n\n\ndef test_f():\n    assert f([1]) == 1\n"
    told = written(text)
    assert told == text + "\n\ndef test_f_answered():\n    from m import f\n\n    assert f([]) == 0\n"
    assert "def test_f_answered_2" in written(told)
    assert "with pytest.raises(ValueError):\n        f([])" in written(text, answer="ValueError", raises=True)
    assert "assert f([]) is None" in written(text, answer="None")
    assert "asyncio.run(f([]))" in written(text, is_async=True)
    assert written("").startswith("def test_f_answered")


@pytest.mark.parametrize("ending", ["", "\n\nif __name__ == '__main__':\n    unittest.main()\n"])
def test_a_new_test_for_unittest(ending):
    text = (
        "import unittest\nfrom m import f\n\n\nclass T(unittest.TestCase):\n    def test(self):\n        pass\n"
        + ending
    )
    for told in (written(text, "unittest"), written(text, "unittest", answer="ValueError", raises=True)):
        tree = ast.parse(told)
        names = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
        assert names == ["T", "FAnswered"]
        assert told.count("import unittest") == 1
        assert not ending or isinstance(tree.body[-1], ast.If)
    assert "self.assertEqual(f([]), 0)" in written(text, "unittest")


def test_line_ends_stay_as_they_are():
    told = written("import m\r\n\r\n\r\ndef test():\r\n    pass\r\n")
    assert told.count("\n") == told.count("\r\n")


def attempt(number, status="passed", **known):
    return Attempt(number, status, Sample(0.8), **{"vector": (True, True), **known})


UNLIKELY = math.log(LIKELY) - 0.01


def test_an_unlikely_winner_that_nothing_agrees_with_stands_alone():
    winner = attempt(2, logprob=UNLIKELY)
    failed, other = attempt(1, "failed", vector=(True, False)), attempt(3)
    repeats_other = attempt(4, "refused", vector=(), same_as=3)
    assert stands_alone(winner, [failed, winner], {}, 3)
    assert stands_alone(winner, [failed, winner, other, repeats_other], {2: 1, 3: 2}, 3)


def test_a_winner_does_not_stand_alone_where_anything_agrees_with_it():
    winner, other = attempt(2, logprob=UNLIKELY), attempt(3)
    assert not stands_alone(winner, [winner, other], {2: 1, 3: 1}, 3), "another that does the same"
    assert not stands_alone(winner, [winner, other], {}, 3), "another of which that is not known"
    assert not stands_alone(winner, [winner, attempt(3, "refused", vector=(), same_as=2)], {}, 3), "a repetition"
    repeats_other = attempt(4, "refused", vector=(), same_as=3)
    assert not stands_alone(winner, [winner, other, repeats_other], {2: 1, 3: 1}, 3)
    likely = attempt(2, logprob=math.log(LIKELY) + 0.01)
    assert not stands_alone(likely, [likely], {}, 3), "its model is sure"
    assert not stands_alone(attempt(2), [attempt(2)], {}, 3), "how sure its model is, is not known"
    assert not stands_alone(winner, [winner], {}, FEW + 1), "many tests"
