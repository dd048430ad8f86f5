"""A menu that somebody opens has what a run would begin with made ready; a cursor that moves does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from lsp.editor import Editor, editor
from lsp.projects import GOOD, STUB
from lsprotocol import types
from lsprotocol.types import CodeActionTriggerKind

from engine.config import Settings
from engine.languages.python import Python
from lsp_server import preparing
from lsp_server.documents import Documents, position_at
from lsp_server.places import Place
from lsp_server.server import GreenfinchServer, create_server

pytestmark = pytest.mark.anyio

INVOKED, AUTOMATIC = CodeActionTriggerKind.Invoked, CodeActionTriggerKind.Automatic
READY = ["prepare", "read ahead", "read"]
HANGING = 180.0  # seconds after which it is no load of the machine any more
LONG = 3600.0  # seconds that reading the prompt takes where it is never to end


class Journal:
    """What the server asks of the model."""

    def __init__(self, folder: Path, reading: float = 0.0) -> None:
        self.path = folder / "journal.jsonl"
        self.path.touch()
        script = folder / "script.json"
        replies = [{"match": "def slugify", "text": GOOD}, {"text": "    return None\n"}]
        script.write_text(json.dumps({"replies": replies, "journal": str(self.path), "reading": reading}))
        self.environment = {"GREENFINCH_SCRIPT": str(script)}

    @property
    def lines(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    @property
    def asked(self) -> list[str]:
        return [line["asked"] for line in self.lines]


@pytest.mark.parametrize(
    ("marker", "kind", "only", "expected"),
    [
        ("def slugify", INVOKED, None, ["slugify"]),
        ("def slugify", INVOKED, ["refactor"], ["slugify"]),
        ("class Box", INVOKED, ["quickfix"], ["Box"]),
        ("def slugify", AUTOMATIC, None, []),
        ("def slugify", None, None, []),
        ("def slugify", INVOKED, ["source"], []),
        ("def done", INVOKED, None, []),
    ],
)
async def test_which_menus_count(project: Path, monkeypatch, marker, kind, only, expected) -> None:
    monkeypatch.setenv("GREENFINCH_SCRIPT", "a script")  # then no model is missed
    server = create_server()
    folder = types.WorkspaceFolder(project.as_uri(), "project")
    server.protocol.adopt(Documents(project.as_uri(), types.TextDocumentSyncKind.Incremental, [folder], "utf-8"))
    told: list[str] = []
    monkeypatch.setattr(server.preparing, "offered", lambda place: told.append(place.target.qualname))
    for name in ("shows_disabled_actions", "knows_code_actions"):
        monkeypatch.setattr(type(server.client), name, True)
    uri = (project / "words.py").as_uri()
    server.documents.put_text_document(types.TextDocumentItem(uri, "python", 1, STUB))
    here = position_at(STUB, STUB.index(marker), "utf-8")
    context = types.CodeActionContext([], only, kind)
    span = types.Range(here, here)
    listed = await server.actions.listing(types.CodeActionParams(types.TextDocumentIdentifier(uri), span, context))
    assert told == expected
    assert bool(listed) == (only != ["source"])


@pytest.fixture
def waiting(project: Path, monkeypatch) -> tuple[GreenfinchServer, Place]:
    """A server whose preparations go no further than to let the menu's answer out, and a place."""
    monkeypatch.setattr(preparing, "ANSWER_SECONDS", LONG)
    monkeypatch.setattr(preparing, "FOLLOW_SECONDS", 0.05)
    path = project / "words.py"
    server = create_server()
    return server, Place(path.as_uri(), project, Python().target_named(path, STUB, "slugify"))


@pytest.mark.parametrize("values", [{"prepare_on_menu": False}, {"endpoint": "http://127.0.0.1:1/v1"}, None])
async def test_nothing_is_begun_where_it_is_not_wanted_or_not_trusted(waiting, values) -> None:
    server, place = waiting
    async with server.jobs:
        if values is None:
            server.settings.trust(False)
        else:
            server.settings.current = Settings().updated(values, source="test")
        server.preparing.offered(place)
        assert server.preparing._ahead is None
        server.settings.trust(True)
        server.settings.current = Settings()
        server.preparing.offered(place)
        assert server.preparing._ahead is not None
        server.preparing.drop()


async def test_it_ends_when_nothing_follows(waiting) -> None:
    server, place = waiting
    async with server.jobs:
        server.preparing.offered(place)
        assert server.preparing._ahead is not None
        with anyio.fail_after(HANGING):
            while server.preparing._ahead is not None:  # noqa: ASYNC110 - nobody is told
                await anyio.sleep(0.01)


async def test_a_run_keeps_what_is_under_way_for_it_and_ends_it_with_itself(waiting) -> None:
    server, place = waiting
    async with server.jobs:
        server.preparing.offered(place)
        ahead = server.preparing._ahead
        with server.preparing.taken_over(place.key):
            server.preparing.changed(place.target.path)  # the run goes by the text as it was
            await anyio.sleep(0.2)
            assert server.preparing._ahead is ahead
            assert not ahead.scope.cancel_called
        assert ahead.scope.cancel_called


async def test_a_run_elsewhere_ends_it(waiting) -> None:
    server, place = waiting
    async with server.jobs:
        server.preparing.offered(place)
        ahead = server.preparing._ahead
        with server.preparing.taken_over("another place"):
            assert ahead.scope.cancel_called


async def nothing_follows(journal: Journal) -> None:
    await anyio.sleep(0.4)  # several times what the server waits for after its answer
    assert journal.asked == []


async def opened(window: Editor, uri: str, marker: str, condition: Callable[[], bool]) -> None:
    """Open the menu there, and keep it open for a user who takes his time, until the condition holds."""
    with anyio.fail_after(HANGING):
        while not condition():
            assert await window.actions(uri, marker, trigger=INVOKED)
            with anyio.move_on_after(5):
                while not condition():  # noqa: ASYNC110 - a file, not an event
                    await anyio.sleep(0.01)


async def reading(window: Editor, journal: Journal, uri: str, marker: str = "def slugify") -> None:
    """The menu is open there, and the model reads the prompt."""
    count = journal.asked.count("read ahead")
    await opened(window, uri, marker, lambda: journal.asked.count("read ahead") > count)


@pytest.mark.slow
async def test_a_menu_that_is_opened_has_one_run_made_ready_and_shows_nothing(project: Path, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    async with editor(project, environment=journal.environment) as window:
        uri = window.open("words.py")
        for _ in range(3):
            await window.actions(uri, "def slugify", trigger=INVOKED)
        await opened(window, uri, "def slugify", lambda: "read" in journal.asked)
        assert journal.asked == READY
        assert (window.messages, window.progress, window.edits) == ([], [], [])


@pytest.mark.slow
async def test_a_cursor_that_moves_and_other_kinds_of_actions_have_nothing_done(project: Path, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    async with editor(project, environment=journal.environment) as window:
        uri = window.open("words.py")
        await window.actions(uri, "def slugify", trigger=AUTOMATIC)
        await window.actions(uri, "def slugify")
        await window.actions(uri, "def slugify", only=["source.organizeImports"], trigger=INVOKED)
        await window.actions(uri, "def done", trigger=INVOKED)
        await nothing_follows(journal)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"prepare_on_menu": False}, {"trusted": False}])
async def test_nothing_is_done_where_the_user_does_not_want_it(project: Path, tmp_path: Path, options) -> None:
    journal = Journal(tmp_path)
    async with editor(project, environment=journal.environment, options=options) as window:
        await window.actions(window.open("words.py"), "def slugify", trigger=INVOKED)
        await nothing_follows(journal)


@pytest.mark.slow
async def test_an_endpoint_is_told_nothing_before_a_run_is_asked_for(project: Path) -> None:
    asked: list[Any] = []

    async def serve(stream: Any) -> None:
        asked.append(stream)
        await stream.aclose()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.listeners[0].extra(anyio.abc.SocketAttribute.local_port)
    options = {"endpoint": f"http://127.0.0.1:{port}/v1"}
    async with anyio.create_task_group() as tasks, editor(project, options=options) as window:
        tasks.start_soon(listener.serve, serve)
        uri = window.open("words.py")
        actions = await window.actions(uri, "def slugify", trigger=INVOKED)
        await anyio.sleep(0.4)
        assert asked == []
        await window.choose(actions[0])
        await window.until(lambda: asked, HANGING)
        tasks.cancel_scope.cancel()


@pytest.mark.slow
async def test_a_change_drops_what_is_made_ready_and_one_elsewhere_does_not(project: Path, tmp_path: Path) -> None:
    journal = Journal(tmp_path, reading=LONG)
    (tmp_path / "elsewhere.py").write_text("x = 1\n")
    async with editor(project, environment=journal.environment) as window:
        uri, other, tests = (
            window.open("words.py"),
            window.open(str(tmp_path / "elsewhere.py")),
            window.open("test_words.py"),
        )
        await reading(window, journal, uri)
        window.type(other, "x = 1", "x = 2")
        assert (await window.run("greenfinch.status"))["jobs"] == []
        assert "dropped" not in journal.asked
        window.type(uri, "words joined", "words, joined")
        await window.until(lambda: "dropped" in journal.asked, HANGING)
        await reading(window, journal, uri)
        window.type(tests, "def test_done", "def  test_done")
        await window.until(lambda: journal.asked.count("dropped") == 2, HANGING)


@pytest.mark.slow
async def test_another_target_takes_the_place_of_the_first(project: Path, tmp_path: Path) -> None:
    journal = Journal(tmp_path, reading=LONG)
    async with editor(project, environment=journal.environment) as window:
        uri = window.open("words.py")
        await reading(window, journal, uri)
        await reading(window, journal, uri, "def put")
        read = [line["prompt"] for line in journal.lines if line["asked"] == "read ahead"]
        assert len(set(read)) == 2
        assert journal.asked.count("dropped") == 1


@pytest.mark.slow
async def test_a_run_takes_the_same_prompt_and_does_not_wait_for_it_twice(project: Path, tmp_path: Path) -> None:
    journal = Journal(tmp_path, reading=LONG)
    async with editor(project, environment=journal.environment, options={"candidates": 1}) as window:
        uri = window.open("words.py")
        await reading(window, journal, uri)
        answer = await window.choose(await window.action(uri, "def slugify", "Generate"))
        assert (await window.ended(answer["job"]))["state"] == "passed"
        await window.until(lambda: "dropped" in journal.asked, HANGING)  # the run is over
        assert journal.asked == ["prepare", "read ahead", "prepare", "sample", "dropped"]
        assert len({line["prompt"] for line in journal.lines if line["prompt"]}) == 1
