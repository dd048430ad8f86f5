"""Edits that wait for a word of their user: shown by the client, or asked for by message; judged again afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from lsp.editor import Editor, capabilities, editor
from lsp.projects import GOOD, STUB
from lsp.test_implementing import implement
from lsprotocol import types

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PLAIN = capabilities(workspace__workspace_edit=None)
PREVIEWS = {"confirm_edit": True, "previews_edits": True}


async def test_an_edit_to_be_confirmed_says_so_and_is_waited_for(project: Path, script) -> None:
    options = {"confirm_edit": True, "previews_edits": True}
    arguments = ("--client-timeout", "0.3")
    async with editor(project, environment=script(GOOD), options=options, arguments=arguments) as window:
        uri = window.open("words.py")
        window.answers = [None]  # its user thinks about it
        answer = await window.choose(await window.action(uri, "def slugify", "Generate"))
        await window.until(lambda: window.edits)
        ((name, annotation),) = window.edits[0].edit.change_annotations.items()
        assert annotation.needs_confirmation and name == f"greenfinch-job-{answer['job']}"
        await anyio.sleep(0.6)
        assert (await window.run("greenfinch.status"))["busy"] == ["slugify"]
        await window.run("greenfinch.cancel", {"job": answer["job"]})
        assert (await window.ended(answer["job"]))["state"] == "cancelled"
        assert window.texts[uri] == STUB


@pytest.mark.parametrize("client", [capabilities(), PLAIN], ids=["annotations", "plain"])
@pytest.mark.parametrize("choice", ["Apply", "Discard"])
async def test_a_client_without_previews_asks_by_message(
    project: Path, script, client: types.ClientCapabilities, choice: str
) -> None:
    async with editor(project, client, environment=script(GOOD), options={"confirm_edit": True}) as window:

        @window.client.feature(types.WINDOW_SHOW_MESSAGE_REQUEST)
        def ask(params: types.ShowMessageRequestParams) -> types.MessageActionItem:
            assert "2/2 tests pass" in params.message and window.client.shown_documents
            return types.MessageActionItem(choice)

        uri = window.open("words.py")
        job = await implement(window, uri, "def slugify")
        assert job["state"] == ("passed" if choice == "Apply" else "not applied")
        assert (window.texts[uri] != STUB) == (choice == "Apply")
        for edit in window.edits:
            assert not any(each.needs_confirmation for each in (edit.edit.change_annotations or {}).values())


async def test_an_answer_that_comes_after_a_cancel_edits_nothing(project: Path, script) -> None:
    async with editor(project, environment=script(GOOD), options={"confirm_edit": True}) as window:
        asked, answered = anyio.Event(), anyio.Event()

        @window.client.feature(types.WINDOW_SHOW_MESSAGE_REQUEST)
        async def ask(params: types.ShowMessageRequestParams) -> types.MessageActionItem:
            asked.set()
            await answered.wait()
            return types.MessageActionItem("Apply")

        uri = window.open("words.py")
        answer = await window.choose(await window.action(uri, "def slugify", "Generate"))
        await asked.wait()
        await window.run("greenfinch.cancel", {"job": answer["job"]})
        answered.set()
        assert (await window.ended(answer["job"]))["state"] == "cancelled"
        await anyio.sleep(0.2)
        assert not window.edits and window.texts[uri] == STUB


class Previewing:
    """A client's side of a preview: its user looks at it while something happens, agrees, and the server is asked.

    Attributes:
        said: the server's answers.
    """

    def __init__(self, window: Editor, meanwhile: Callable[[str], Awaitable[None]], after: bool = False) -> None:
        self._window, self._meanwhile, self._after = window, meanwhile, after
        self.said: list[dict[str, Any]] = []
        window.confirm = self._confirm

    async def _confirm(self) -> bool:
        (name,) = self._window.edits[-1].edit.change_annotations or {}
        job = name.removeprefix("greenfinch-job-")
        if not self._after:
            await self._meanwhile(job)
        self.said.append(await self._window.run("greenfinch.holds", {"job": job}))
        if self._after:
            await self._meanwhile(job)
        return bool(self.said[-1]["holds"])


@pytest.mark.parametrize("name, reason", [("test_words.py", "what the tests read"), ("words.py", "the document has")])
async def test_a_change_while_the_preview_stands_makes_it_hold_no_more(
    project: Path, script, name: str, reason: str
) -> None:
    async with editor(project, environment=script(GOOD), options=PREVIEWS) as window:
        uri, changed = window.open("words.py"), window.open(name)

        async def meanwhile(job: str) -> None:
            window.type(changed, "def ", "def  ")

        previewing = Previewing(window, meanwhile)
        job = await implement(window, uri, "def slugify")
        assert job["state"] == "not applied" and reason in previewing.said[0]["reason"]
        assert GOOD not in window.texts[uri]

        async def nothing(job: str) -> None:
            pass

        previewing = Previewing(window, nothing)
        assert (await implement(window, uri, "slugify(", "Verify and apply again"))["state"] == "passed"
        assert previewing.said == [{"holds": True, "reason": ""}] and GOOD in window.texts[uri]


async def test_apply_after_cancel_edits_nothing(project: Path, script) -> None:
    async with editor(project, environment=script(GOOD), options=PREVIEWS) as window:
        uri = window.open("words.py")

        async def meanwhile(job: str) -> None:
            await window.run("greenfinch.cancel", {"job": job})

        previewing = Previewing(window, meanwhile)
        assert (await implement(window, uri, "def slugify"))["state"] == "cancelled"
        await window.until(lambda: previewing.said)
        assert not previewing.said[0]["holds"] and "waits to be applied" in previewing.said[0]["reason"]
        assert window.texts[uri] == STUB
        assert not (await window.run("greenfinch.holds", {"job": "99"}))["holds"]


async def test_cancel_after_the_edit_was_said_to_hold_does_not_deny_it(project: Path, script) -> None:
    async with editor(project, environment=script(GOOD), options=PREVIEWS) as window:
        uri = window.open("words.py")

        async def meanwhile(job: str) -> None:
            await window.run("greenfinch.cancel", {"job": job})
            await anyio.sleep(0.2)

        Previewing(window, meanwhile, after=True)
        assert (await implement(window, uri, "def slugify"))["state"] == "passed"
        assert window.texts[uri] == STUB.replace("    ...\n", GOOD)
