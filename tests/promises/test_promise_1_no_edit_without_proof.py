"""Promise 1: no edit unless the user's own tests passed on exactly that text, in the workspace as it is then."""

import pytest
from promises.workspace import BAD, GOOD, MODULE, TESTS

from engine.errors import BrokenJudgeError, NoTestsError, VacuousJudgeError
from engine.events import CandidateTested, StageStarted
from engine.languages.base import apply_edits

pytestmark = pytest.mark.anyio


async def test_the_text_that_passed_is_the_text_that_is_handed_out(workspace):
    outcome = await workspace.implement(BAD, GOOD, strategy="best-of-n", candidates=2)
    assert outcome.passed
    assert outcome.text == MODULE.replace("    raise NotImplementedError\n", GOOD)
    assert apply_edits(outcome.base, outcome.edits) == outcome.text
    assert outcome.proof.startswith("slugify: 2/2 tests pass (candidate ")
    assert "estimated" in outcome.proof or "measured" in outcome.proof


async def test_no_candidate_passed_no_edit_but_a_report(workspace):
    outcome = await workspace.implement(BAD, "    return None\n", "    return 1\n", candidates=3)
    assert not outcome.passed
    assert (outcome.edit, outcome.edits, outcome.text, outcome.proof) == (None, (), "", "")
    assert outcome.best is not None
    assert (outcome.best.tests_passed, outcome.best.tests_total) == (1, 2)
    assert "return title.lower()" in outcome.best.diff
    assert outcome.best.failure is not None
    assert "hello world" in outcome.best.failure.message
    assert outcome.reason == "none of 3 candidates passed"


async def test_a_test_that_the_candidate_makes_skip_is_not_a_pass(workspace):
    outcome = await workspace.implement("    import pytest\n    pytest.skip('not today')\n", strategy="greedy")
    assert not outcome.passed


async def test_a_candidate_that_ends_the_process_is_not_a_pass(workspace):
    outcome = await workspace.implement("    import os\n    os._exit(0)\n", strategy="greedy")
    assert not outcome.passed


@pytest.mark.slow
async def test_a_winner_is_confirmed_on_the_buffers_as_they_are_then(workspace):
    """The tests change while the candidate runs: what passed the old ones must pass the new ones too."""
    stricter = TESTS + '\n\ndef test_more():\n    assert slugify("a_b") == "a-b"\n'
    changed = TESTS.replace('slugify("") == ""', 'slugify("") == "empty"')
    for text in (changed, stricter.replace('"hello-world"', '"Hello-World"')):
        workspace.buffers.clear()

        def change(event, text=text):
            if isinstance(event, CandidateTested):
                workspace.buffers[workspace.root / "test_words.py"] = text

        outcome = await workspace.implement(GOOD, on_event=change, strategy="greedy")
        assert not outcome.passed


async def test_a_test_file_written_during_the_confirmation_has_it_run_again(workspace):
    """A change on disk while the winner is confirmed: the proof must be about the new file."""
    confirmations = []

    def change(event):
        if isinstance(event, StageStarted) and event.stage == "confirm":
            confirmations.append(event)
            workspace.write("test_words.py", TESTS.replace('"hello-world"', '"hello_world"'))

    outcome = await workspace.implement(GOOD, on_event=change, strategy="greedy")
    assert confirmations
    assert not outcome.passed


async def test_a_candidate_that_passes_only_once_is_not_applied(workspace):
    """Whether it passes depends on the process id: sooner or later a confirming run fails, or no run passed."""
    body = "    import os\n    return '-'.join(title.lower().split()) if os.urandom(1)[0] < 16 else 'x'\n"
    outcome = await workspace.implement(body, body + "    # 2\n", strategy="best-of-n", candidates=2)
    assert not outcome.passed


@pytest.mark.parametrize(
    ("module", "tests", "error", "told"),
    [
        (MODULE, "def test_other():\n    assert True\n", NoTestsError, "No test"),
        (MODULE.replace("raise NotImplementedError", "return ''"), "from words import slugify\n\n\ndef test():\n"
         "    assert slugify('') == ''\n", VacuousJudgeError, "passes already"),
        (MODULE, "import not_there\nfrom words import slugify\n\n\ndef test():\n    assert slugify('') == ''\n",
         BrokenJudgeError, "not_there"),
    ],
)  # fmt: skip
async def test_a_judge_that_cannot_decide_is_said_before_anything_is_generated(workspace, module, tests, error, told):
    workspace.write("words.py", module)
    workspace.write("test_words.py", tests)
    with pytest.raises(error, match=told):
        await workspace.implement({"error": "nothing may be sampled"})


@pytest.mark.parametrize("where", ["buffer", "disk", "configuration"])
async def test_an_outcome_knows_whether_its_proof_still_holds(workspace, where):
    """Whoever asks a user before applying: what the tests read may change until the user has answered."""
    outcome = await workspace.implement(GOOD, strategy="greedy")
    assert outcome.passed and outcome.still_so()
    if where == "disk":
        workspace.write("test_words.py", TESTS.replace("hello-world", "hello_world"))
    elif where == "configuration":
        workspace.write("pytest.toml", "[pytest]\n")
    else:
        workspace.buffers[workspace.root / "test_words.py"] = TESTS.replace("hello-world", "hello_world")
    assert not outcome.still_so()
