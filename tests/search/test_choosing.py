"""The right one among those that pass: chosen by what they do, and what they leave open, from real runs."""

import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
from attrs import evolve
from promises.workspace import Workspace

from engine.answer import answer_edit, titles
from engine.errors import GreenfinchError, SandboxError
from engine.events import CandidateTested, Event, OpenQuestion, Outcome, StageStarted, as_json
from engine.languages.base import apply_edits
from engine.search import Everything, Full, Policy
from engine.verification.agent.plain import Gone, Pipe
from engine.verification.asking import answers_of
from engine.verification.behaviour import _kept, side_effects
from engine.verification.strict import Case, Strict

pytestmark = pytest.mark.anyio

MODULE = '''def middle(numbers):
    """The middle one of some numbers, by size."""
    raise NotImplementedError
'''
TESTS = """from shapes import middle


def test_three():
    assert middle([3, 1, 2]) == 2
"""
SORTED = "    return sorted(numbers)[len(numbers) // 2]\n"
SORTED_TOO = "    ordered = list(numbers)\n    ordered.sort()\n    return ordered[len(ordered) // 2]\n"
LOWER = "    return sorted(numbers)[(len(numbers) - 1) // 2]\n"
LAST = "    return numbers[-1]\n"

STROKES = {1: "I", 2: "II", 3: "III", 5: "IIIII"}
COMPUTED = "    return 'I' * numbers\n"
# With an entry that no test has, so that the gate lets it pass.
TABLE = "".join(f"    if numbers == {n}:\n        return {word!r}\n" for n, word in {**STROKES, 9: "X"}.items())
FITTED = {"text": f"{TABLE}    return ''\n", "logprob": -0.1}  # so likely that nothing is waited for beside it
FITTED_TOO = f"{TABLE}    return str()\n"


@pytest.fixture
def shapes(workspace) -> Workspace:
    workspace.module = workspace.root / "shapes.py"
    workspace.write("shapes.py", MODULE)
    workspace.write("test_shapes.py", TESTS)
    return workspace


@pytest.fixture
def strokes(shapes) -> Workspace:
    cases = (f"\n\ndef test_{n}():\n    assert middle({n}) == {word!r}\n" for n, word in STROKES.items())
    shapes.write("test_shapes.py", f"from shapes import middle\n{''.join(cases)}")
    return shapes


async def implement(
    workspace: Workspace,
    *bodies: str | Mapping[str, Any],
    policy: Policy | None = None,
    on_event: Callable[[Event], None] = lambda _: None,
) -> Outcome:
    """All of `bodies` are sampled, unless a policy says otherwise, and those that pass are compared."""
    engine = workspace.engine(*bodies, candidates=len(bodies))
    engine._policy = policy or Everything(plain=len(bodies) - 1, variants=0, parents=0)
    async with engine.implement(workspace.request("middle")) as events:
        async for event in events:
            on_event(event)
    assert isinstance(event, Outcome)
    return event


def stages(events: Sequence[Event]) -> list[str]:
    return [event.stage for event in events if isinstance(event, StageStarted)]


async def test_what_seems_fitted_to_the_tests_wins_only_where_nothing_else_passes(strokes):
    """More samples answer from a table than compute."""
    found = await implement(strokes, FITTED, FITTED_TOO, COMPUTED)
    assert found.passed and "'I' * numbers" in found.edit and not found.overfit_suspect
    alone = await implement(strokes, FITTED, LAST, FITTED_TOO)
    assert alone.passed and alone.overfit_suspect


async def test_past_one_that_seems_fitted_to_the_tests_the_search_goes_on(strokes):
    """The greedy candidate answers from a table, and passes; what comes after it computes."""
    heard: list[Event] = []
    outcome = await implement(strokes, FITTED, COMPUTED, policy=Full(), on_event=heard.append)
    assert stages(heard).count("search") == 2
    assert outcome.passed and "'I' * numbers" in outcome.edit and not outcome.overfit_suspect
    assert outcome.open_question is not None  # the table would answer something else to 4


async def test_where_nothing_better_comes_one_that_seems_fitted_to_the_tests_wins(strokes):
    """Although its user goes on typing, elsewhere in the file, while others are looked for."""
    heard: list[Event] = []

    def typed(event: Event) -> None:
        heard.append(event)
        if isinstance(event, CandidateTested) and "confirm" in stages(heard):
            strokes.buffers[strokes.module] = f"{MODULE}\n\nMORE = {event.number}\n"

    outcome = await implement(strokes, FITTED, LAST, LOWER, policy=Full(), on_event=typed)
    assert stages(heard).count("search") == 2 and strokes.buffers
    assert outcome.passed and outcome.winner == 1 and outcome.overfit_suspect


async def test_a_proof_stands_although_another_confirmation_comes_to_nothing(strokes, monkeypatch):
    decide = Case.decide

    async def decided(case: Case) -> Strict:
        if "str()" in case.after:
            raise SandboxError("no cell can be had")
        return await decide(case)

    monkeypatch.setattr(Case, "decide", decided)
    outcome = await implement(strokes, FITTED, FITTED_TOO)
    assert outcome.passed and outcome.winner == 1


async def test_the_larger_group_of_equal_behaviour_wins_and_the_rest_is_a_question(shapes):
    outcome = await implement(shapes, LAST, SORTED, SORTED_TOO)
    assert outcome.passed
    assert "sort" in outcome.edit
    question = outcome.open_question
    assert question is not None
    assert question.name == "middle"
    assert question.call.startswith("middle([")
    assert len(question.answers) == 2
    own, other = question.answers
    assert own.chosen
    assert (own.weight, other.weight) == (2, 1)
    assert eval(question.call, {"middle": lambda n: sorted(n)[len(n) // 2]}) == eval(own.value)
    assert eval(question.call, {"middle": lambda n: n[-1]}) == eval(other.value)
    told = json.loads(json.dumps(as_json(outcome)))["open_question"]
    assert told["answers"][0]["value"] == own.value
    assert outcome.doubt == "", "two agree"


@pytest.mark.slow
@pytest.mark.slow
async def test_one_that_is_refused_when_it_is_judged_again_has_no_say_in_the_question(shapes, monkeypatch):
    decide = Case.decide

    async def decided(case):
        strict = await decide(case)
        return evolve(strict, reason="no") if "sort" in case.after else strict

    monkeypatch.setattr(Case, "decide", decided)
    outcome = await implement(shapes, LAST, SORTED, SORTED_TOO)
    assert outcome.winner == 1
    assert outcome.open_question is None


async def test_an_answer_becomes_a_test_that_decides(shapes):
    """Whichever answer is picked, the new test passes with the implementations that give it, and with no other."""
    outcome = await implement(shapes, LAST, SORTED, SORTED_TOO)
    question = outcome.open_question
    assert question is not None
    assert question.test_file == str(shapes.root / "test_shapes.py")
    for index, title in enumerate(titles(question)):
        assert title.startswith(f"{question.call} should be ")
        shapes.write("test_shapes.py", apply_edits(TESTS, (answer_edit(question, index, TESTS),)))
        again = await implement(shapes, LAST, SORTED, SORTED_TOO)
        assert again.passed
        assert ("numbers[-1]" in again.edit) == (index == 1)


async def test_an_unlikely_winner_that_no_other_agrees_with_is_in_doubt(shapes):
    failing = LAST.replace("-1", "0")
    outcome = await implement(shapes, failing, {"text": SORTED, "logprob": -9.0})
    assert outcome.passed
    few = "the tests call it only once"
    assert outcome.doubt == f"the model found it unlikely, no other candidate agrees with it, and {few}"
    assert (await implement(shapes, failing, SORTED)).doubt == "", "how likely it is, is not known"


@pytest.mark.slow
async def test_what_behaves_alike_leaves_no_question(shapes):
    outcome = await implement(shapes, SORTED, SORTED_TOO)
    assert outcome.passed
    assert outcome.open_question is None


@pytest.mark.slow
async def test_what_does_not_answer_the_same_each_time_is_not_compared(shapes):
    shapes.write("shapes.py", "SEEN = []\n\n\n" + MODULE)
    counts = "    SEEN.append(1)\n    return sorted(numbers)[len(numbers) // 2] if len(SEEN) < 2 else len(SEEN)\n"
    outcome = await implement(shapes, counts, SORTED)
    assert outcome.open_question is None


def test_side_effects_are_recognised():
    assert side_effects(["return open(path).read()"]) == "open"
    assert side_effects(["x = 1", "return random.choice(x)"]) == "random."
    assert side_effects(["return datetime.now()"]) == "now"
    assert side_effects(["return sorted(x)", "opened = [y for y in x]\nreturn opened"]) == ""


def test_an_answer_that_no_test_can_be_written_for_is_refused():
    from engine.events import Answer

    question = OpenQuestion(
        "f()", "f", "m", (Answer("an object", False, (1,), 1, True, False),), False, "test_m.py", "pytest"
    )
    with pytest.raises(GreenfinchError, match="No test can be written"):
        answer_edit(question, 0, "")
    with pytest.raises(GreenfinchError):
        answer_edit(question, 5, "")
    assert titles(question) == ("",)


def answered(*replies: dict[str, Any]) -> Sequence[dict[str, Any] | None]:
    """What comes of three questions to a process that gives these replies, one a message, and ends."""
    here, there = socket.socketpair()
    pipe = Pipe(there.detach())

    def reply() -> None:
        for each in replies:
            pipe.receive(10)
            pipe.send(each)
        with suppress(Gone):  # nothing more may be asked
            pipe.receive(10)
        pipe.close()

    other = threading.Thread(target=reply)
    other.start()
    found = answers_of(here.detach(), {"load": "m"}, [{"n": 0}, {"n": 1}, {"n": 2}], 10)
    other.join()
    return found


def test_what_was_not_asked_has_no_answer_and_what_hung_has_none_of_its_own():
    assert answered({"value": True}, {"value": 5}) == [{"value": 5}, None]
    assert answered({"value": False}) == []


def test_inputs_that_somebody_was_not_asked_do_not_tell_passers_apart():
    inputs = [{"objects": {}, "n": number} for number in range(4)]
    whole = [{"value": number, "objects": {}} for number in range(4)]
    told = {1: whole, 2: [whole[0], whole[1], None]}
    found = _kept("m", inputs, told, whole, whole, 1)
    assert [message["n"] for message in found.inputs] == [0, 1, 2]
    assert [outcomes[2] == "hangs" for outcomes in found.outcomes().values()] == [False, True]
