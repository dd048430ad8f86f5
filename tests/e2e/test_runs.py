"""Whole runs through the engine's door: real tests in a real sandbox, with a script in the model's place."""

import json
from pathlib import Path

import pytest
from promises.workspace import BAD, GOOD, Workspace

from engine.errors import GenerationError, NoTestsError, TargetNotFoundError
from engine.events import CandidateRejected, CandidateStarted, CandidateTested, JudgeFound, Outcome
from engine.record import load_run
from engine.session import ImplementRequest

pytestmark = pytest.mark.anyio


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    monkeypatch.setenv("GREENFINCH_RUNS", str(tmp_path / "runs"))
    return Workspace(tmp_path / "project")


async def last(events) -> Outcome:
    """The outcome, with which every stream ends."""
    outcome = [event async for event in events][-1]
    assert isinstance(outcome, Outcome)
    return outcome


def collector() -> tuple[list, object]:
    events: list = []
    return events, events.append


SLIP = "    return title.lower().joined()\n"  # an attribute that is not there: what a repair mends most often


@pytest.mark.slow
async def test_greedy_comes_first_then_samples_and_a_repair_that_is_shown_the_failure(workspace):
    seen = []

    class Watching(type(workspace.engine(SLIP)._generator)):
        async def sample(self, request):
            seen.append(request)
            async for piece in super().sample(request):
                yield piece

    slow = [{"text": f"    return {n}\n", "delay_per_token": 1.5} for n in range(4)]  # slower than the first's tests
    engine = workspace.engine(SLIP, *slow, GOOD, candidates=8)
    engine._generator.__class__ = Watching
    started = []
    async with engine.implement(workspace.request()) as events:
        async for event in events:
            if isinstance(event, CandidateStarted):
                started.append(event)
            outcome = event
    assert outcome.passed
    assert [e.origin for e in started[:2]] == ["greedy", "sampled"]
    assert [e.parent for e in started if e.origin == "repaired"][:1] == [1]
    repairs = [request for request in seen if len(request.messages) > 2]
    assert repairs[0].messages[:2] == seen[0].messages  # the shared beginning, which the host keeps
    assert "has no attribute 'joined'" in repairs[0].messages[-1].content
    assert repairs[0].prefill.endswith('"""Lower-case words joined by hyphens."""\n')


async def test_equal_candidates_are_tested_once(workspace):
    events, collect = collector()
    await workspace.implement(
        BAD, "    return title . lower( )\n", on_event=collect, strategy="best-of-n", candidates=2
    )
    assert len([e for e in events if isinstance(e, CandidateTested)]) == 1
    (rejected,) = [e for e in events if isinstance(e, CandidateRejected)]
    assert rejected.reason.startswith("the same as candidate")


@pytest.mark.slow
async def test_what_follows_the_function_is_neither_tested_nor_applied(workspace):
    outcome = await workspace.implement(GOOD + "\nprint('usage')\n```\nThis function ...\n")
    assert outcome.passed
    assert "usage" not in outcome.text


@pytest.mark.slow
async def test_all_stubs_of_a_class_are_solved_with_one_verdict_and_one_edit(workspace):
    workspace.write(
        "words.py",
        "class Box:\n    def __init__(self):\n        self.items = []\n\n    def put(self, item):\n        ...\n\n"
        "    def count(self):\n        ...\n",
    )
    workspace.write(
        "test_words.py",
        "from words import Box\n\n\ndef test_box():\n    box = Box()\n    box.put(1)\n    assert box.count() == 1\n",
    )
    put = {"text": "    self.items.append(item)\n\n\ndef count", "match": "def put"}
    count = {"text": "    return len(self.items)\n", "match": "def count"}
    engine = workspace.engine(put, count, strategy="greedy")
    async with engine.implement(ImplementRequest(workspace.root, workspace.module, "Box")) as events:
        outcome = await last(events)
    assert outcome.passed
    assert len(outcome.edits) == 2
    assert outcome.text.count("...") == 0


@pytest.mark.slow
async def test_tests_that_need_another_stub_are_left_out_and_named(workspace):
    other = "\n\ndef shout(title):\n    raise NotImplementedError\n"
    workspace.write("words.py", workspace.module.read_text() + other)
    more = (
        "\n\ndef test_first_the_other():\n    from words import shout\n\n    assert slugify(shout('a')) == 'A'\n"
        "\n\ndef test_then_the_other():\n    from words import shout\n\n    assert shout(slugify('A')) == 'A'\n"
    )
    workspace.write("test_words.py", (workspace.root / "test_words.py").read_text() + more)
    events, collect = collector()
    outcome = await workspace.implement(GOOD, on_event=collect)
    assert outcome.passed
    told = [e for e in events if isinstance(e, JudgeFound)][-1]
    assert told.blocked == {"test_words.py::test_then_the_other": "shout"}
    assert (told.tests, told.failing) == (2, 2)  # before anything was changed, whatever the candidate did
    assert "2/2 tests pass, 1 left out" in outcome.proof


@pytest.mark.slow
async def test_a_candidate_that_calls_another_stub_is_not_excused(workspace):
    other = "\n\ndef shout(title):\n    raise NotImplementedError\n"
    workspace.write("words.py", workspace.module.read_text() + other)
    outcome = await workspace.implement("    return shout(title) if title else ''\n", strategy="greedy")
    assert not outcome.passed
    assert (outcome.tests_passed, outcome.tests_total) == (1, 2)


@pytest.mark.slow
async def test_a_stub_that_the_candidate_itself_hands_out_is_not_excused(workspace):
    workspace.write("words.py", "def maker(kind):\n    raise NotImplementedError\n")
    workspace.write(
        "test_words.py",
        "from words import maker\n\n\ndef test_makes():\n    assert callable(maker('a'))\n\n\n"
        "def test_made():\n    assert maker('a')() == 'a'\n",
    )
    body = "    def inner():\n        raise NotImplementedError\n    return inner\n"
    engine = workspace.engine(body, strategy="greedy")
    async with engine.implement(ImplementRequest(workspace.root, workspace.module, "maker")) as events:
        outcome = await last(events)
    assert not outcome.passed
    assert (outcome.tests_passed, outcome.tests_total) == (1, 2)


@pytest.mark.slow
async def test_a_test_that_needs_a_stub_which_returns_nothing_is_left_out_too(workspace):
    workspace.write("words.py", workspace.module.read_text() + "\n\ndef shout(title):\n    pass\n")
    more = "\n\ndef test_shout():\n    from words import shout\n\n    assert shout(slugify('A')) == 'A'\n"
    workspace.write("test_words.py", (workspace.root / "test_words.py").read_text() + more)
    outcome = await workspace.implement(GOOD)
    assert outcome.passed
    assert "2/2 tests pass, 1 left out" in outcome.proof


@pytest.mark.slow
async def test_a_stub_that_the_candidate_hands_out_by_name_excuses_no_test(workspace):
    workspace.write(
        "words.py",
        "def maker(kind):\n    raise NotImplementedError\n\n\ndef other(x):\n    raise NotImplementedError\n",
    )
    workspace.write(
        "test_words.py",
        "from words import maker\n\n\ndef test_makes():\n    assert callable(maker('a'))\n\n\n"
        "def test_made():\n    assert maker('a')(1) == 'a'\n",
    )
    engine = workspace.engine("    return other\n", strategy="greedy")
    async with engine.implement(ImplementRequest(workspace.root, workspace.module, "maker")) as events:
        outcome = await last(events)
    assert not outcome.passed


@pytest.mark.slow
async def test_stubs_that_no_test_reaches_are_left_alone_and_named(workspace):
    workspace.write("words.py", workspace.module.read_text() + "\n\ndef untested(x):\n    ...\n")
    engine = workspace.engine(GOOD, "    return math.pi\n", strategy="greedy")
    async with engine.implement(ImplementRequest(workspace.root, workspace.module, "")) as events:
        outcome = await last(events)
    assert outcome.passed
    assert outcome.untested == ("untested",)
    assert outcome.text.endswith("def untested(x):\n    ...\n")
    assert "import math" not in outcome.text
    assert "1 stub without tests left alone" in outcome.proof


@pytest.mark.slow
async def test_buffers_outside_the_workspace_and_typing_elsewhere_disturb_nothing(workspace):
    outside = workspace.root.parent / "notes.txt"
    notes = workspace.root / "notes.md"

    def typing(_event):
        workspace.buffers[outside] = workspace.buffers[notes] = str(len(workspace.buffers.get(notes, "")) * "x" + "x")

    outcome = await workspace.implement(GOOD, on_event=typing)
    assert outcome.passed


@pytest.mark.slow
async def test_a_workspace_opened_through_a_link(workspace):
    link = workspace.root.parent / "link"
    link.symlink_to(workspace.root)
    tests = link / "test_more.py"
    buffers = {tests: "from words import slugify\n\n\ndef test_more():\n    assert slugify('C d') == 'c-d'\n"}
    events, collect = collector()
    request = ImplementRequest(link, link / "words.py", "slugify", buffers=lambda: buffers)
    async with workspace.engine(GOOD).implement(request) as stream:
        async for event in stream:
            collect(event)
    assert events[-1].passed
    found = next(event for event in events if isinstance(event, JudgeFound))
    assert found.files == ("test_more.py", "test_words.py")


@pytest.mark.slow
async def test_an_error_in_a_candidates_run_is_raised_bare(workspace, monkeypatch):
    from engine.errors import SandboxError
    from engine.verification.verifier import Verifier

    async def broken(*_args, **_options):
        raise SandboxError("no room")

    monkeypatch.setattr(Verifier, "run", broken)
    with pytest.raises(SandboxError, match="no room"):
        await workspace.implement(GOOD)


@pytest.mark.slow
async def test_a_unittest_project_without_pytest_in_sight(workspace):
    workspace.write(
        "test_words.py",
        "import unittest\n\nfrom words import slugify\n\n\nclass Slug(unittest.TestCase):\n    def test_words(self):\n"
        "        for text in ('A b', 'a  B'):\n            with self.subTest(text):\n"
        "                self.assertEqual(slugify(text), 'a-b')\n",
    )
    outcome = await workspace.implement(BAD, GOOD)
    assert outcome.passed


@pytest.mark.slow
async def test_the_budget_ends_a_run_with_its_best_attempt(workspace):
    endless = {"text": "    x = 1\n", "repeat": True, "delay_per_token": 0.01}
    outcome = await workspace.implement(BAD, endless, budget_seconds=4.0, max_tokens=100_000)
    assert not outcome.passed
    assert outcome.reason == "the budget of 4 s is used up"
    assert outcome.best is not None


async def test_a_generator_that_fails_is_an_error_not_an_empty_result(workspace):
    with pytest.raises(GenerationError, match="no power"):
        await workspace.implement({"error": "no power"})


async def test_a_function_that_no_test_mentions_says_where_it_looked(workspace):
    workspace.write("test_words.py", "def test_nothing():\n    pass\n")
    with pytest.raises(NoTestsError, match=r"1 test file"):
        await workspace.implement(GOOD)


async def test_a_file_in_another_language_is_refused(workspace):
    workspace.write("words.rs", "fn main() {}")
    request = ImplementRequest(workspace.root, workspace.root / "words.rs", "main")
    with pytest.raises(TargetNotFoundError, match="not in a language"):
        async with workspace.engine(GOOD).implement(request) as events:
            async for _ in events:
                pass


@pytest.mark.slow
async def test_the_record_holds_all_it_takes_to_replay_the_run(workspace):
    outcome = await workspace.implement(BAD, GOOD)
    lines = load_run(Path(outcome.record).stem)
    kinds = [line["event"] for line in lines]
    assert kinds[0] == "record"
    assert kinds[-1] == "outcome"
    assert {"prompt", "candidate_text", "verdict", "judge_found"} <= set(kinds)
    texts = [line["bodies"]["slugify"] for line in lines if line["event"] == "candidate_text"]
    assert 'return "-".join(title.lower().split())' in texts
    assert json.dumps(lines)


@pytest.mark.slow
async def test_candidates_after_the_first_are_tested_in_forks_of_a_warm_server(workspace):
    events, collect = collector()
    later = [{"text": BAD.replace("lower()", f"lower() + '{n}'"), "delay_per_token": 0.8} for n in range(6)]
    outcome = await workspace.implement(BAD, *later, on_event=collect, candidates=7, strategy="best-of-n")
    (level,) = {event.sandbox for event in events if isinstance(event, JudgeFound)}
    verdicts = [line for line in load_run(Path(outcome.record).stem) if line["event"] == "verdict"]
    assert not outcome.passed and len(verdicts) == 7
    assert not verdicts[0]["warm"]  # there is no server until it is known that there will be others
    assert verdicts[-1]["warm"] == ("full" in level)


@pytest.mark.slow
async def test_a_winner_can_be_applied_again_to_a_text_that_changed_elsewhere(workspace):
    engine = workspace.engine(GOOD)
    async with engine.implement(workspace.request()) as events:
        outcome = await last(events)
    workspace.buffers[workspace.module] = workspace.module.read_text().replace('"""Words."""', '"""Other words."""')
    async with engine.reapply(workspace.request(), outcome.solution) as events:
        again = await last(events)
    assert again.passed
    assert again.text == outcome.text.replace('"""Words."""', '"""Other words."""')
