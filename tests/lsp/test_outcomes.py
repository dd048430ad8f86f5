"""What the user hears when there is no edit: nothing passed, it could not run, or the editor did not take it."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from lsp.editor import capabilities, editor
from lsp.projects import BAD, GOOD, STUB
from lsp.test_implementing import implement
from lsprotocol import types
from pygls.uris import to_fs_path

pytestmark = pytest.mark.anyio

AGAIN = "Verify and apply again"


async def test_when_nothing_passes_there_is_a_report_and_no_edit(project: Path, script) -> None:
    async with editor(project, environment=script(BAD), options={"strategy": "greedy"}) as window:
        uri = window.open("words.py")
        job = await implement(window, uri, "def slugify")
        assert job["state"] == "not passed"
        assert window.edits == [] and window.texts[uri] == STUB
        message = next(m for m in window.messages if m.startswith("slugify: "))
        assert "1/2 tests" in message and "test_slugify_joins_words" in message and "hello-world" in message
        shown = await window.until(lambda: window.client.shown_documents)
        report = await anyio.Path(to_fs_path(shown[0].uri) or "").read_text()
        assert "```diff" in report and "+" + BAD.rstrip() in report and "hello-world" in report
        assert "candidate 1 (greedy): 1/2 tests" in report
        assert (await window.run("greenfinch.showReport"))["report"] == report
        doctor = (await window.run("greenfinch.doctor", {"uri": "file://", "show": False}))["job"]
        assert (await window.ended(doctor))["state"] == "passed"  # asked for in a buffer without a name, too
        assert (await window.run("greenfinch.showReport"))["report"] == report  # the run's, as long as there is one


@pytest.mark.slow
async def test_a_client_that_shows_no_documents_gets_the_report_in_its_log(project: Path, script) -> None:
    plain = capabilities(window__show_document=None)
    async with editor(project, plain, environment=script(BAD), options={"strategy": "greedy"}) as window:
        uri = window.open("words.py")
        await implement(window, uri, "def slugify")
        await window.until(lambda: any("```diff" in logged.message for logged in window.client.log_messages))


async def test_without_any_run_there_is_no_report(project: Path) -> None:
    async with editor(project) as window:
        assert await window.run("greenfinch.showReport") == {"job": None, "report": ""}


@pytest.mark.slow
async def test_a_target_without_tests_is_an_error_with_its_reason(project: Path, script) -> None:
    (project / "lonely.py").write_text("def unheard_of():\n    ...\n")
    async with editor(project, environment=script(GOOD)) as window:
        uri = window.open("lonely.py")
        answer = await window.run("greenfinch.implement", {"uri": uri, "qualname": "unheard_of"})
        job = await window.ended(answer["job"])
        assert job["state"] == "failed" and "test" in job["message"]
        error = await window.until(lambda: [m for m in window.client.messages if m.type == types.MessageType.Error])
        assert error[0].message == f"unheard_of: {job['message']}"


@pytest.mark.slow
async def test_a_function_that_is_not_there_is_refused_with_the_names_that_are(project: Path, script) -> None:
    async with editor(project, environment=script(GOOD)) as window:
        uri = window.open("words.py")
        answer = await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugfy"})
        assert answer["job"] is None and "slugify" in answer["reason"]


@pytest.mark.parametrize(
    "arguments", [[], [None], [{}], [{"uri": 3}], [{"uri": "file:///no/such.py", "qualname": "f"}]]
)
@pytest.mark.slow
async def test_arguments_of_another_form_are_refused_in_words(project: Path, arguments: list[object]) -> None:
    async with editor(project) as window:
        answer = await window.run("greenfinch.implement", *arguments)
        assert answer["job"] is None and answer["reason"] in window.messages


@pytest.mark.slow
async def test_a_refused_edit_is_offered_again(project: Path, script) -> None:
    async with editor(project, environment=script(GOOD)) as window:
        uri = window.open("words.py")
        window.answers = [types.ApplyWorkspaceEditResult(applied=False, failure_reason="not now")]
        job = await implement(window, uri, "def slugify")
        assert job["state"] == "not applied" and "not now" in job["message"]
        assert window.texts[uri] == STUB
        assert (await implement(window, uri, "def slugify", AGAIN))["state"] == "passed"
        assert window.texts[uri] == STUB.replace("    ...\n", GOOD)
        assert not [a for a in await window.actions(uri, "def slugify") if AGAIN in a.title]


@pytest.mark.slow
async def test_an_edit_that_is_never_answered_is_given_up_and_offered_again(project: Path, script) -> None:
    async with editor(project, environment=script(GOOD), arguments=("--client-timeout", "0.3")) as window:
        uri = window.open("words.py")
        window.answers = [None]
        job = await implement(window, uri, "def slugify")
        assert job["state"] == "not applied" and "did not answer" in job["message"]
        assert (await implement(window, uri, "def slugify", AGAIN))["state"] == "passed"


@pytest.mark.slow
async def test_nothing_is_applied_again_that_was_not_offered(project: Path) -> None:
    async with editor(project) as window:
        uri = window.open("words.py")
        answer = await window.run("greenfinch.reapply", {"uri": uri, "qualname": "slugify"})
        assert answer["job"] is None and "slugify" in answer["reason"]


@pytest.mark.slow
async def test_a_generator_that_fails_ends_its_job_alone(project: Path, script) -> None:
    environment = script({"error": "the model is on fire"}, GOOD)
    async with editor(project, environment=environment, options={"strategy": "greedy"}) as window:
        uri = window.open("words.py")
        job = await implement(window, uri, "def slugify")
        assert job["state"] == "failed" and "on fire" in job["message"]
        assert await window.actions(uri, "def slugify")
