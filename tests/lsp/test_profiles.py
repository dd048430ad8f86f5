"""The main job as each of the four editors' clients would have it done: their real capabilities, recorded, are data.

`profiles/NAME.json` has `clientInfo` and `capabilities` of the `initialize` request that the real client sent
(tests/editors compares it with what the editor sends today).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from lsp.editor import Editor, editor
from lsp.projects import BAD, GOOD, STUB
from lsp.test_implementing import GENERATE, implement, passes_tests
from lsprotocol import types
from pygls.protocol import default_converter

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PROFILES = sorted((Path(__file__).parent / "profiles").glob("*.json"))
ODD = (
    STUB.replace('"""Words."""', '"""🐦 漢字."""; A = "🐦"')
    .replace("(title):", '(title, mark="🐦漢"): # 🐦')
    .replace('hyphens."""\n    ...', 'hyphens: 🐦."""; ...')
)


def recorded(profile: Path) -> dict[str, Any]:
    request: dict[str, Any] = json.loads(profile.read_text("utf-8"))
    return request


@asynccontextmanager
async def window_like(profile: Path, root: Path, encoding: str = "", **options: Any) -> AsyncIterator[Editor]:
    """An editor that says of itself what the real one says; with another position encoding, if one is given."""
    request = recorded(profile)
    client = default_converter().structure(request["capabilities"], types.ClientCapabilities)
    if encoding:
        general = client.general or types.GeneralClientCapabilities()
        client = evolve(client, general=evolve(general, position_encodings=[encoding]))
    name = (request.get("clientInfo") or {}).get("name", "")
    async with editor(root, client, name=name, **options) as window:
        yield window


@pytest.fixture(params=PROFILES, ids=lambda path: path.stem)
def profile(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def says(profile: Path, *path: str) -> Any:
    """What the client says of a capability by its JSON path; None if nothing."""
    value: Any = recorded(profile)["capabilities"]
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def test_all_four_editors_clients_are_recorded() -> None:
    assert {path.stem for path in PROFILES} >= {"emacs", "helix", "neovim", "vscode"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_a_target_behind_emoji_and_cjk_is_implemented(
    profile: Path, project: Path, script, encoding: str
) -> None:
    async with window_like(profile, project, encoding, environment=script(GOOD)) as window:
        assert window.encoding == encoding
        uri = window.open("words.py", ODD)
        assert (await implement(window, uri, "title, mark"))["state"] == "passed"
        assert window.texts[uri].count("🐦") == ODD.count("🐦")
        assert passes_tests(project, {"words.py": window.texts[uri]}, "-k", "slugify or done")


async def test_edit_progress_and_proof_take_the_form_that_the_client_knows(
    profile: Path, project: Path, script
) -> None:
    async with window_like(profile, project, environment=script({"text": GOOD, "delay_per_token": 0.1})) as window:
        uri = window.open("words.py")
        titles = [action.title for action in await window.actions(uri, "...")]
        assert titles and set(titles) == {GENERATE}
        job = await implement(window, uri, "def slugify")
        edit = window.edits[0].edit
        workspace = says(profile, "workspace", "workspaceEdit") or {}
        versioned = workspace.get("documentChanges", bool(workspace.get("resourceOperations")))
        annotated = versioned and "changeAnnotationSupport" in workspace
        assert (edit.document_changes is not None) == bool(versioned)
        assert (edit.change_annotations is not None) == bool(annotated)
        if versioned:
            assert edit.document_changes[0].text_document.version == (0 if window.is_neovim else 1)
        # Neovim prints labels, and the message would be a second line, for which it wants <Enter>.
        assert window.edits[0].label == (None if profile.stem == "neovim" else job["message"])
        assert window.messages.count(job["message"]) == 1
        if says(profile, "window", "workDoneProgress"):
            begin, *reports, end = window.progress
            assert begin.title == "Greenfinch: slugify" and end.message == job["message"]
            assert any(" tried" in (report.message or "") for report in reports)
        else:
            assert window.progress == []


async def test_cancel_changes_nothing(profile: Path, project: Path, script) -> None:
    slow = {"text": "    x = 1\n" * 40, "repeat": True, "delay_per_token": 0.05}
    async with window_like(profile, project, environment=script({"text": BAD}, slow)) as window:
        uri = window.open("words.py")
        answer = await window.choose(await window.action(uri, "def slugify", GENERATE))
        await window.choose(await window.action(uri, "def slugify", "Cancel: slugify"))
        assert (await window.ended(answer["job"]))["state"] == "cancelled"
        assert window.texts[uri] == STUB and not window.edits


async def test_a_run_in_which_nothing_passes_is_reported(profile: Path, project: Path, script) -> None:
    async with window_like(profile, project, environment=script(BAD), options={"strategy": "greedy"}) as window:
        uri = window.open("words.py")
        assert (await implement(window, uri, "def slugify"))["state"] == "not passed"
        assert window.texts[uri] == STUB
        if says(profile, "window", "showDocument", "support") or profile.stem == "helix":  # it does so without a word
            await window.until(lambda: window.client.shown_documents)
        else:
            await window.until(lambda: any("```diff" in logged.message for logged in window.client.log_messages))


async def test_without_tests_the_menu_says_why(profile: Path, project: Path, script) -> None:
    (project / "lonely.py").write_text("def unheard_of():\n    ...\n")
    async with window_like(profile, project, environment=script("")) as window:
        action = (await window.actions(window.open("lonely.py"), "def"))[0]
        if says(profile, "textDocument", "codeAction", "disabledSupport"):
            assert action.disabled is not None and "unheard_of" in action.disabled.reason
        else:
            await window.choose(action)
            assert any("unheard_of" in message for message in window.messages)


@pytest.fixture
def neovim() -> Path:
    return next(path for path in PROFILES if path.stem == "neovim")


async def test_an_edit_that_neovim_drops_and_calls_applied_is_offered_again(
    neovim: Path, project: Path, script
) -> None:
    async with window_like(neovim, project, environment=script(GOOD)) as window:
        uri = window.open("words.py")
        window.type(uri, "def done", "def  done")
        window.before_edit = lambda: window.type(uri, "def  done", "def   done")
        job = await implement(window, uri, "def slugify")
        assert job["state"] == "not applied" and "not the one that was meant" in job["message"]
        assert window.texts[uri] == STUB.replace("def done", "def   done")
        window.before_edit = lambda: None
        assert (await implement(window, uri, "def slugify", "Verify and apply again"))["state"] == "passed"


async def test_an_edit_that_neovim_applies_to_other_lines_is_not_called_a_pass(
    neovim: Path, project: Path, script
) -> None:
    async with window_like(neovim, project, environment=script(GOOD)) as window:
        uri = window.open("words.py")
        window.before_edit = lambda: window.type(uri, '"""Words."""', '"""Words\nand more."""')
        job = await implement(window, uri, "def slugify")
        assert job["state"] == "not applied" and "undo" in job["message"]


async def test_what_is_typed_right_after_an_edit_and_sent_with_it_does_not_deny_it(
    neovim: Path, project: Path, script
) -> None:
    async with window_like(neovim, project, environment=script(GOOD)) as window:
        uri = window.open("words.py")
        window.after_edit = lambda: window.type(uri, "def done", "def  done")
        assert (await implement(window, uri, "def slugify"))["state"] == "passed"
        assert window.texts[uri] == STUB.replace("    ...\n", GOOD).replace("def done", "def  done")
