"""Promise 7: if the document moved on in a way that touches the target, nothing is applied over it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsp.editor import Editor, editor
from lsp.projects import GOOD, STUB
from lsprotocol import types

from engine.events import Outcome
from engine.languages.base import TextEdit
from lsp_server import edits
from lsp_server.documents import Documents
from lsp_server.server import create_server

pytest_plugins = ("lsp.projects",)
pytestmark = pytest.mark.anyio

SLOW = {"text": GOOD, "delay_per_token": 0.5}
MINE = "    return title  # I did it myself\n"
AGAIN = "Verify and apply again"


async def started(window: Editor, uri: str) -> str:
    answer = await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"})
    await window.until(lambda: any("tried" in (value.message or "") for value in window.progress))
    return str(answer["job"])


@pytest.mark.slow
async def test_a_target_that_its_user_changed_meanwhile_is_left_alone(project: Path, script) -> None:
    async with editor(project, environment=script(SLOW), options={"strategy": "greedy"}) as window:
        uri = window.open("words.py")
        job = await started(window, uri)
        window.type(uri, "    ...\n", MINE)
        ended = await window.ended(job)
        assert ended["state"] == "not applied" and "changed" in ended["message"]
        assert window.edits == []
        assert window.texts[uri] == STUB.replace("    ...\n", MINE)


@pytest.mark.slow
async def test_what_was_refused_is_verified_and_applied_on_demand(project: Path, script) -> None:
    async with editor(project, environment=script(SLOW), options={"strategy": "greedy"}) as window:
        uri = window.open("words.py")
        job = await started(window, uri)
        window.type(uri, "Lower-case words", "Lower-cased words")
        assert (await window.ended(job))["state"] == "not applied"
        again = await window.choose(await window.action(uri, "def slugify", AGAIN))
        assert (await window.ended(again["job"]))["state"] == "passed"
        assert window.texts[uri] == STUB.replace("    ...\n", GOOD).replace("Lower-case words", "Lower-cased words")


async def test_typing_elsewhere_in_the_document_is_kept_and_tested_with(project: Path, script) -> None:
    async with editor(project, environment=script(SLOW)) as window:
        uri = window.open("words.py")
        job = await started(window, uri)
        window.type(uri, '"""Words."""', '"""Words and\nmore."""')
        assert (await window.ended(job))["state"] == "passed"
        assert window.texts[uri] == STUB.replace("    ...\n", GOOD).replace("Words.", "Words and\nmore.")


@pytest.mark.slow
async def test_typing_that_breaks_the_tests_meanwhile_stops_the_edit(project: Path, script) -> None:
    async with editor(project, environment=script(SLOW), options={"strategy": "greedy"}) as window:
        uri = window.open("words.py")
        job = await started(window, uri)
        window.type(uri, "def done():", "def gone():")
        assert (await window.ended(job))["state"] != "passed"
        assert window.edits == []


@pytest.mark.slow
async def test_a_change_that_the_edit_crosses_on_its_way_makes_the_editor_refuse_it(
    project: Path,
    script,
) -> None:
    async with editor(project, environment=script(GOOD)) as window:
        uri = window.open("words.py")
        window.before_edit = lambda: window.type(uri, "def done", "def  done")
        answer = await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"})
        ended = await window.ended(answer["job"])
        assert ended["state"] == "not applied" and "the document has changed" in ended["message"]
        assert window.texts[uri] == STUB.replace("def done", "def  done")
        window.before_edit = lambda: None
        again = await window.choose(await window.action(uri, "def slugify", AGAIN))
        assert (await window.ended(again["job"]))["state"] == "passed"


@pytest.mark.slow
async def test_tests_that_changed_while_the_user_was_asked_stop_the_edit(project: Path, script) -> None:
    async with editor(project, environment=script(GOOD), options={"confirm_edit": True}) as window:
        tests = window.open("test_words.py")

        @window.client.feature(types.WINDOW_SHOW_MESSAGE_REQUEST)
        def ask(params: types.ShowMessageRequestParams) -> types.MessageActionItem:
            window.type(tests, "hello-world", "hello_world")
            return types.MessageActionItem("Apply")

        answer = await window.run("greenfinch.implement", {"uri": window.open("words.py"), "qualname": "slugify"})
        ended = await window.ended(answer["job"])
        assert ended["state"] == "not applied" and "what the tests read has changed" in ended["message"]
        assert window.edits == []


async def test_no_edit_is_sent_for_another_text_than_the_one_that_passed() -> None:
    server = create_server()
    outcome = Outcome(True, 1, 1, 1, 0.0, 0, 0.0, "", "", "", base="a = 1\n", edits=(TextEdit(0, 1, "b"),))
    documents = Documents("file:///")
    documents.put_text_document(types.TextDocumentItem("file:///a.py", "python", 1, "a = 2\n"))
    applied = await edits.apply(server.client, documents, "file:///a.py", outcome)
    assert not applied.ok and "changed since the tests passed" in applied.reason
