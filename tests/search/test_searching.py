"""How the driver carries a policy's decisions out."""

import sys
from pathlib import Path

import pytest
from attrs import evolve
from promises.workspace import BAD, GOOD, MODULE

from engine.bench.policies import policy_named
from engine.bench.pool import from_record
from engine.bench.simulate import Machine, replay
from engine.config import Settings
from engine.confirmation import confirm
from engine.errors import GenerationError, SandboxError
from engine.events import CandidateRejected, CandidateStarted, CandidateTested
from engine.generation.base import Message
from engine.generation.scripted import Reply, ScriptedGenerator
from engine.judgement import Trial
from engine.machine.cpus import usable_cores, workers_for_tests
from engine.record import load_run
from engine.reporting import read_story, render
from engine.sampling import seed_of
from engine.search import WIDTH, width_after
from engine.session import Engine

pytestmark = pytest.mark.anyio

TITLE = "    return title.title()\n"
SPACES = '    return title.lower().replace(" ", "_")\n'


class Listening(ScriptedGenerator):
    """A script that keeps what it was asked."""

    def __init__(self, *replies: str) -> None:
        super().__init__(tuple(Reply(text=reply) for reply in replies))
        self.requests = []

    async def sample(self, request):
        self.requests.append(request)
        async for piece in super().sample(request):
            yield piece


async def run(engine, request):
    async with engine.implement(request) as stream:
        return [event async for event in stream]


async def test_a_candidate_that_repeats_another_under_other_names_is_not_tested(workspace):
    first = "    words = title.lower().split()\n    return '_'.join(words)\n"
    second = "    parts = title.lower().split()  # again\n    return '_'.join(parts)\n"
    events = await run(workspace.engine(first, second, candidates=2), workspace.request())
    assert [e.reason for e in events if isinstance(e, CandidateRejected)] == ["the same as candidate 1"]
    assert sum(isinstance(e, CandidateTested) for e in events) == 1


@pytest.mark.slow
async def test_nothing_solves_it_the_run_ends_within_its_budget_with_the_best_attempt_and_the_reason(workspace):
    endless = {"text": "    title += 'x'\n", "repeat": True, "delay_per_token": 0.2}
    outcome = await workspace.implement(BAD, endless, candidates=500, max_tokens=500, budget_seconds=15)
    assert not outcome.passed
    assert outcome.seconds < 15 + 5  # what runs is ended, and cells are left
    assert outcome.reason == "the budget of 15 s is used up"
    assert outcome.best is not None
    assert (outcome.best.tests_passed, outcome.best.tests_total) == (1, 2)
    assert outcome.best.failure is not None
    attempts = [line for line in load_run(Path(outcome.record).stem) if line["event"] == "attempt"]
    assert {line["number"] for line in attempts} == set(range(1, outcome.candidates + 1))
    assert "dropped" in {line["status"] for line in attempts}  # what was under way when the time was up is kept, too


@pytest.mark.slow
async def test_a_budget_of_tokens_is_kept(workspace):
    outcome = await workspace.implement(BAD, TITLE, SPACES, budget_tokens=40, max_tokens=30, candidates=50)
    assert not outcome.passed
    assert outcome.tokens <= 40
    assert outcome.reason == "the budget of 40 tokens is used up"


async def test_a_budget_of_watt_hours_is_kept(workspace):
    outcome = await workspace.implement(BAD, TITLE, SPACES, budget_wh=1e-9, candidates=50)
    assert not outcome.passed
    assert outcome.candidates == 0
    assert outcome.reason.startswith("the budget of 1e-09 Wh is used up (")


async def test_full_asks_for_candidates_without_comments_none_of_them_twice(workspace):
    """The backend is told which of the earlier ones came to their end, and after how many tokens."""
    model = Listening(BAD, TITLE, SPACES, GOOD)
    settings = Settings().updated({"python": sys.executable}, source="test")
    *_, outcome = events = await run(Engine(settings, generator=model), workspace.request())
    assert outcome.passed
    requests = [request for request in model.requests if request.messages == model.requests[0].messages]
    assert {request.avoid_line_start for request in requests} == {"#"}
    assert len({request.distinct.key for request in requests}) == 1
    numbers = [request.distinct.number for request in requests]
    assert numbers == sorted(set(numbers))
    first = next(e for e in events if isinstance(e, CandidateTested))
    assert dict(requests[1].distinct.ended) == {1: first.tokens + 1}  # the end that the model itself put there, too


@pytest.mark.slow
async def test_comments_are_a_setting(workspace):
    model = Listening(GOOD)
    settings = Settings().updated({"python": sys.executable, "comments": True}, source="test")
    await run(Engine(settings, generator=model), workspace.request())
    assert {request.avoid_line_start for request in model.requests} == {""}


@pytest.mark.slow
async def test_the_published_strategies_sample_as_the_model_does(workspace):
    model = Listening(BAD, GOOD)
    settings = Settings().updated({"python": sys.executable, "strategy": "best-of-n"}, source="test")
    *_, outcome = await run(Engine(settings, generator=model), workspace.request())
    assert outcome.passed
    assert {(request.avoid_line_start, request.distinct) for request in model.requests} == {("", None)}


@pytest.mark.parametrize(("failed", "width"), [(0, 4), (7, 4), (8, 8), (13, 12), (100, 16)])
def test_the_more_have_failed_the_more_are_sampled_at_once(failed, width):
    assert width_after(failed) == width


@pytest.mark.slow
async def test_the_larger_model_is_asked_last(workspace):
    small, large = Listening(BAD, TITLE, SPACES), Listening(GOOD)
    settings = Settings().updated({"python": sys.executable, "candidates": 4}, source="test")
    engine = Engine(settings, generator=small, larger=large)
    *_, outcome = events = await run(engine, workspace.request())
    assert outcome.passed
    assert [e.larger for e in events if isinstance(e, CandidateStarted)][:4] == [False, False, False, True]
    assert len(large.requests) == 1


@pytest.mark.slow
async def test_a_larger_model_that_cannot_be_used_does_not_end_the_search(workspace):
    class Broken(Listening):
        async def prepare(self):
            from engine.errors import ModelMissingError

            raise ModelMissingError("it is not there")

    settings = Settings().updated({"python": sys.executable, "candidates": 4}, source="test")
    engine = Engine(settings, generator=Listening(BAD, TITLE), larger=Broken())
    *_, outcome = await run(engine, workspace.request())
    assert not outcome.passed
    assert outcome.best is not None


@pytest.mark.slow
async def test_a_body_that_is_there_is_the_first_candidate_and_parent(workspace):
    """Fix until the tests pass: its own failure is what the model is asked to correct."""
    workspace.write("words.py", MODULE.replace("    raise NotImplementedError\n", BAD))
    model = Listening(GOOD, TITLE)
    settings = Settings().updated({"python": sys.executable}, source="test")
    *_, outcome = events = await run(Engine(settings, generator=model), workspace.request())
    assert outcome.passed
    started = [e for e in events if isinstance(e, CandidateStarted)]
    assert [(e.origin, e.parent) for e in started[:2]] == [("existing", None), ("repaired", 1)]
    tested = next(e for e in events if isinstance(e, CandidateTested))
    assert (tested.number, tested.tests_passed, tested.tests_total) == (1, 1, 2)
    asked: tuple[Message, ...] = model.requests[0].messages
    assert "return title.lower()" in asked[-2].content
    assert "hello world" in asked[-1].content
    recorded = from_record(load_run(Path(outcome.record).stem), problem="p", strategy="full", seed=0)
    assert [(each.kind, each.status) for each in recorded.candidates[:2]] == [
        ("existing", "failed"),
        ("repaired", "passed"),
    ]
    two = evolve(recorded, candidates=recorded.candidates[:2])
    assert replay(policy_named("full"), two, Machine(seconds=30.0), 0).solved  # by the repair: there is nothing else


@pytest.mark.slow
async def test_with_a_body_that_is_there_a_backend_that_fails_is_an_error_too(workspace):
    workspace.write("words.py", MODULE.replace("    raise NotImplementedError\n", BAD))
    with pytest.raises(GenerationError, match="no power"):
        await workspace.implement({"error": "no power"}, candidates=3)


@pytest.mark.slow
async def test_the_best_attempt_is_one_that_was_made(workspace):
    """The body that is there passes as many tests as the sample does; it was no attempt."""
    workspace.write("words.py", MODULE.replace("    raise NotImplementedError\n", BAD))
    outcome = await workspace.implement(TITLE, candidates=2)
    assert not outcome.passed
    assert outcome.best is not None and outcome.best.number > 1 and "title.title()" in outcome.best.diff


@pytest.mark.slow
@pytest.mark.parametrize("body", ["", BAD])
async def test_once_a_candidate_has_failed_its_tests_the_next_are_to_be_warm(workspace, monkeypatch, body):
    """Also where the first candidate did not come to its tests, or is the body that is there."""
    asked = []
    monkeypatch.setattr(Trial, "keep_warm", lambda trial, baseline: asked.append(baseline))
    if body:
        workspace.write("words.py", MODULE.replace("    raise NotImplementedError\n", body))
    replies = ["    return (\n```\n", TITLE, SPACES]
    outcome = await workspace.implement(*replies, strategy="best-of-n", candidates=4)
    assert not outcome.passed
    assert len(asked) == 1


@pytest.mark.slow
async def test_an_error_while_a_winner_is_confirmed_is_raised_bare(workspace, monkeypatch):
    async def broken(*_args):
        raise SandboxError("no room")

    monkeypatch.setattr("engine.driver.confirm", broken)
    with pytest.raises(SandboxError, match="no room"):
        await workspace.implement(GOOD)


@pytest.mark.slow
async def test_a_target_that_is_gone_when_its_winner_is_confirmed_was_changed(workspace, monkeypatch):
    async def late(*args):
        workspace.module.unlink()
        return await confirm(*args)

    monkeypatch.setattr("engine.driver.confirm", late)
    outcome = await workspace.implement(GOOD)
    assert not outcome.passed and "was changed" in outcome.reason


@pytest.mark.slow
async def test_what_cannot_be_a_program_is_mended_first(workspace):
    """A body with a name that nothing defines costs no test, and is shown to the model with what is wrong."""
    model = Listening("    return slug(title)\n", GOOD)
    settings = Settings().updated({"python": sys.executable}, source="test")
    *_, outcome = events = await run(Engine(settings, generator=model), workspace.request())
    assert outcome.passed
    started = [e for e in events if isinstance(e, CandidateStarted)]
    assert (started[1].origin, started[1].parent) == ("repaired", 1)
    assert "uses names that nothing defines: slug" in model.requests[1].messages[-1].content


@pytest.mark.slow
async def test_tests_that_refused_most_go_first_when_a_run_ends_at_its_first_failure(workspace):
    test = "def test_{}():\n    assert slugify('A b')[{}] == {!r}\n\n\n"
    tests = [test.format("easy", 0, "a"), test.format("hard", 1, "-")]
    workspace.write("test_words.py", "from words import slugify\n\n\n" + "".join(tests))
    bodies = [f"    return 'a{sign}b'\n" for sign in "_+"]
    events = await run(workspace.engine(*bodies, strategy="best-of-n", candidates=2), workspace.request())
    scores = [e.score for e in events if isinstance(e, CandidateTested)]
    assert scores == ["1/2 tests", "0/2 tests, stopped at a failure"]  # the greedy one's vector is whole


@pytest.mark.slow
async def test_a_model_quicker_than_the_tests_does_not_sample_all_before_the_first_verdict(workspace):
    """Of fifty different candidates, about as many are sampled as fit into the tests and the queue before them."""
    others = [f"    return title.lower() + {str(number)!r}\n" for number in range(50)]
    outcome = await workspace.implement(GOOD, *others, strategy="best-of-n", candidates=50)
    assert outcome.passed and outcome.winner == 1
    ahead = WIDTH + workers_for_tests(usable_cores())
    assert outcome.candidates <= 2 * ahead  # one more for each that failed while the first was tested


def test_runs_with_seeds_that_follow_each_other_share_no_candidate_seed():
    seeds = [{seed_of(run, number) for number in range(1, 65)} for run in range(4)]
    assert len(set.union(*seeds)) == 4 * 64
    assert all(0 <= seed < 2**31 for each in seeds for seed in each)


async def test_examples_in_the_targets_own_file_are_shown_once(workspace):
    example = ">>> slugify('A B')"
    documented = MODULE.replace("joined by hyphens.", f"joined by hyphens.\n\n    {example}\n    'a-b'\n    ")
    workspace.write("words.py", f"{documented}\n\ndef other():\n    return 'a body'\n")
    (workspace.root / "test_words.py").unlink()
    model = Listening(GOOD)
    settings = Settings().updated({"python": sys.executable}, source="test")
    *_, outcome = await run(Engine(settings, generator=model), workspace.request())
    assert outcome.passed
    asked = "".join(message.content for message in model.requests[0].messages)
    assert asked.count(example) == 1
    assert "It must pass" not in asked


@pytest.mark.parametrize(
    ("reply", "passed"),
    [
        ('Here it is:\n\n```python\nimport re\n\n\ndef slugify(title):\n    """Words."""\n'
         '    return "-".join(re.findall(r"\\w+", title.lower()))\n```\n\nThat is all.\n', True),
        ('```python\ndef slugify(title):\n    return "-".join(title.lower().split())\n```', True),
        ("```python\ndef other():\n    return 1\n```\n", False),
    ],
)  # fmt: skip
async def test_without_a_prefill_the_function_is_taken_from_the_replys_first_block(workspace, reply, passed):
    model = Listening(reply)
    settings = Settings().updated({"python": sys.executable, "candidates": 1}, source="test")
    engine = Engine(settings, generator=model, without=frozenset({"prefill"}))
    events = await run(engine, workspace.request())
    assert model.requests[0].prefill == ""
    assert events[-1].passed is passed
    if not passed:
        (rejected,) = [e for e in events if isinstance(e, CandidateRejected)]
        assert "does not define slugify" in rejected.reason


@pytest.mark.slow
async def test_what_no_encoding_has_in_a_failure_can_be_shown_sent_and_kept(workspace):
    model = Listening("    raise ValueError('half a pair: \\ud800')\n", GOOD)
    settings = Settings().updated({"python": sys.executable, "candidates": 3}, source="test")
    *events, outcome = await run(Engine(settings, generator=model), workspace.request())
    assert outcome.passed
    told = next(e.message for e in events if isinstance(e, CandidateTested))
    shown = [told, *(message.content for request in model.requests for message in request.messages)]
    assert "half a pair: \\ud800" in told
    assert all(text.encode("utf-8") for text in shown)
    page = render(read_story(load_run(Path(outcome.record).stem)))
    assert b"half a pair: \\ud800" in page.encode("utf-8")
