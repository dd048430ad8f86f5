"""What the server says of itself: status, the last run, and code lenses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from lsp.editor import Editor, _plain, capabilities, editor
from lsp.projects import BAD, GOOD, STUB
from lsp.test_implementing import implement
from lsprotocol import types

from engine.verification import nominate
from lsp_server.documents import Documents
from lsp_server.lenses import count
from lsp_server.places import search_named

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def told(window: Editor) -> list[dict[str, Any]]:
    """The status notifications that come from now on."""
    statuses: list[dict[str, Any]] = []

    @window.client.feature("greenfinch/status")
    def status(params: Any) -> None:
        statuses.append(_plain(params))

    return statuses


async def test_a_client_that_asks_is_told_of_every_change(project: Path, script) -> None:
    options = {"status_notifications": True}
    async with editor(project, environment=script(GOOD), options=options) as window:
        statuses = told(window)
        uri = window.open("words.py")
        job = await implement(window, uri, "def slugify")
        await window.until(lambda: statuses and statuses[-1]["last"])
        assert any(status["busy"] == ["slugify"] for status in statuses)
        last = statuses[-1]
        assert last["busy"] == [] and last["trusted"] is True and last["model"] == "auto"
        assert last["last"]["passed"] and last["last"]["message"] == job["message"]


async def test_a_client_that_does_not_ask_is_told_nothing(project: Path, script) -> None:
    async with editor(project, environment=script(GOOD)) as window:
        statuses = told(window)
        await implement(window, window.open("words.py"), "def slugify")
        assert statuses == []
        status = await window.run("greenfinch.status")
        assert status["last"]["label"] == "slugify" and status["busy"] == []


async def test_the_last_run_is_shown_whether_it_passed_or_not(project: Path, script) -> None:
    async with editor(project, environment=script(BAD, GOOD), options={"strategy": "greedy"}) as window:
        assert (await window.run("greenfinch.showLastRun"))["job"] is None
        uri = window.open("words.py")
        await implement(window, uri, "def slugify")
        failed = await window.run("greenfinch.showLastRun", {"show": False})
        assert failed["state"] == "not passed" and "First test that it fails" in failed["report"]
        await window.run("greenfinch.doctor", {"show": False})
    async with editor(project, environment=script(GOOD)) as window:
        job = await implement(window, window.open("words.py"), "def slugify")
        passed = await window.run("greenfinch.showLastRun")
        assert passed["state"] == "passed" and job["message"] in passed["report"] and "```diff" in passed["report"]
        await window.until(lambda: window.client.shown_documents)


async def lenses(window: Editor, uri: str) -> list[types.CodeLens]:
    found = await window.client.text_document_code_lens_async(types.CodeLensParams(types.TextDocumentIdentifier(uri)))
    return [await window.client.code_lens_resolve_async(lens) for lens in found or []]


async def test_stubs_have_a_lens_with_their_tests_if_that_is_wanted(project: Path, script) -> None:
    refreshing = capabilities(workspace__code_lens=types.CodeLensWorkspaceClientCapabilities(refresh_support=True))
    async with editor(project, refreshing, environment=script(GOOD)) as window:
        refreshed = []
        window.client.feature(types.WORKSPACE_CODE_LENS_REFRESH)(lambda *_: refreshed.append(1))
        uri = window.open("words.py")
        assert await lenses(window, uri) == []
        window.client.set_configuration({"greenfinch": {"code_lens": True}})
        window.client.workspace_did_change_configuration(types.DidChangeConfigurationParams(None))
        await window.until(lambda: refreshed)
        slugify, put, count = await lenses(window, uri)
        assert slugify.command.title == "2 tests mention it"
        assert put.command.title == "1 test mentions it"
        assert slugify.range.start.line == STUB[: STUB.index("def slugify")].count("\n")
        answer = await window.run(slugify.command.command, *slugify.command.arguments)
        assert (await window.ended(answer["job"]))["state"] == "passed"
        assert len(await lenses(window, uri)) == 2
        assert count.command.command == "greenfinch.implement"


async def test_a_lens_says_when_no_test_mentions_its_stub(project: Path, script) -> None:
    (project / "lonely.py").write_text("def unheard_of():\n    ...\n")
    async with editor(project, environment=script(""), options={"code_lens": True}) as window:
        (lens,) = await lenses(window, window.open("lonely.py"))
        assert lens.command.title == "no test mentions it"


async def test_a_test_file_that_cannot_be_read_does_not_take_the_lens_along(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = Documents(project.as_uri())
    place = search_named(documents, (project / "words.py").as_uri(), "slugify").work()
    found = nominate.nomination(project, {}, place.target.path, place.target.names)
    gone = evolve(found, files=(*found.files, project / "test_gone.py"))
    monkeypatch.setattr(nominate, "nomination", lambda *_: gone)
    assert count(place, {}) == "2 tests mention it"
