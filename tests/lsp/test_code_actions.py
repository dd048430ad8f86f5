"""What the menu offers, and why not."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from lsp.editor import capabilities, editor
from lsp.projects import STUB
from lsprotocol import types

from engine.languages.python.source import parse
from lsp_server import places
from lsp_server.documents import Documents

pytestmark = pytest.mark.anyio

GENERATE = "Generate & verify implementation"
REWRITE = "refactor.rewrite.greenfinch"


def _titles(actions: list[types.CodeAction]) -> list[tuple[str, str]]:
    return [(action.title, getattr(action.kind, "value", action.kind)) for action in actions]


@pytest.mark.parametrize(
    "name",
    ["Visual Studio Code", "Neovim", *(pytest.param(name, marks=pytest.mark.slow) for name in ("helix", "Eglot"))],
)
async def test_a_stub_is_one_line_of_the_whole_menu_and_one_of_each_menu_it_belongs_to(
    project: Path, script, name: str
) -> None:
    async with editor(project, environment=script(""), name=name) as window:
        uri = window.open("words.py")
        actions = await window.actions(uri, "...")
        assert _titles(actions) == [(GENERATE, "quickfix")]
        assert all(action.disabled is None and action.command is not None for action in actions)
        assert _titles(await window.actions(uri, "...", ["quickfix"])) == [(GENERATE, "quickfix")]
        assert _titles(await window.actions(uri, "...", ["refactor"])) == [(GENERATE, REWRITE)]


async def test_a_function_with_a_body_is_offered_as_refactoring_only(project: Path, script) -> None:
    async with editor(project, environment=script("")) as window:
        uri = window.open("words.py")
        assert _titles(await window.actions(uri, "def done")) == [("Fix until the tests pass", REWRITE)]


@pytest.mark.slow
async def test_only_the_kinds_asked_for_are_listed(project: Path, script) -> None:
    async with editor(project, environment=script("")) as window:
        uri = window.open("words.py")
        assert _titles(await window.actions(uri, "...", ["quickfix"])) == [(GENERATE, "quickfix")]
        assert _titles(await window.actions(uri, "...", ["refactor"])) == [(GENERATE, REWRITE)]
        assert await window.actions(uri, "...", ["source.organizeImports"]) == []
        assert await window.actions(uri, "...", ["refactor.rewrite.green"]) == []


async def test_a_method_a_class_and_a_file_each_have_their_own(project: Path, script) -> None:
    async with editor(project, environment=script("")) as window:
        uri = window.open("words.py")
        method = await window.action(uri, "def put", GENERATE)
        assert method.command.arguments[0]["qualname"] == "Box.put"
        whole_class = await window.action(uri, "class Box", "Implement all stubs in this class")
        assert whole_class.command.arguments[0]["qualname"] == "Box"
        whole_file = await window.action(uri, '"""Words', "Implement all stubs in this file")
        assert whole_file.command.arguments[0]["qualname"] == ""


async def test_a_half_typed_file_still_offers_its_whole_functions(project: Path, script) -> None:
    async with editor(project, environment=script("")) as window:
        uri = window.open("words.py")
        window.type(uri, "def done():", "def half(a, \n\ndef done():")
        assert await window.action(uri, "def slugify", GENERATE)


async def test_a_signature_that_cannot_be_read_is_explained(project: Path, script) -> None:
    async with editor(project, environment=script("")) as window:
        uri = window.open("words.py")
        window.type(uri, "def slugify(title):", "def slugify(title")
        (action,) = await window.actions(uri, "def slugify")
        assert action.disabled is not None and "syntax error" in action.disabled.reason
        assert action.command is None


async def test_without_a_test_the_reason_says_where_it_looked(project: Path, script) -> None:
    (project / "lonely.py").write_text("def unheard_of():\n    ...\n")
    async with editor(project, environment=script("")) as window:
        uri = window.open("lonely.py")
        actions = await window.actions(uri, "def")
        assert actions and all(action.disabled is not None for action in actions)
        assert "unheard_of" in actions[0].disabled.reason
        assert str(project) in actions[0].disabled.reason and "test_*.py" in actions[0].disabled.reason


async def test_a_test_that_is_only_in_an_unsaved_buffer_counts(project: Path, script) -> None:
    (project / "lonely.py").write_text("def unheard_of():\n    ...\n")
    async with editor(project, environment=script("")) as window:
        uri = window.open("lonely.py")
        tests = window.open("test_words.py")
        window.replace_all(tests, "from lonely import unheard_of\n\ndef test():\n    assert unheard_of() == 1\n")
        actions = await window.actions(uri, "def")
        assert actions and all(action.disabled is None for action in actions)


async def test_without_the_model_the_offer_is_to_pull_it(project: Path, tmp_path: Path) -> None:
    environment = {"GREENFINCH_MODELS": str(tmp_path / "no models")}
    async with editor(project, environment=environment) as window:
        uri = window.open("words.py")
        generate, pull = await window.actions(uri, "...", [REWRITE])
        assert generate.disabled is not None and "greenfinch models pull" in generate.disabled.reason
        assert pull.title.startswith("Pull the model qwen2.5-coder-0.5b (491 MB")
        assert pull.command.command == "greenfinch.pullModel"


async def test_a_client_that_cannot_show_disabled_actions_gets_one_that_tells_the_reason(project: Path, script) -> None:
    (project / "lonely.py").write_text("def unheard_of():\n    ...\n")
    plain = capabilities(text_document__code_action__disabled_support=None)
    async with editor(project, plain, environment=script("")) as window:
        action = await window.action(window.open("lonely.py"), "def", f"{GENERATE}: not possible, why?")
        assert action.disabled is None
        await window.choose(action)
        assert any("unheard_of" in message and "test_*.py" in message for message in window.messages)


@pytest.mark.slow
async def test_such_a_client_without_a_model_may_choose_the_action_which_asks(project: Path, tmp_path: Path) -> None:
    plain = capabilities(text_document__code_action__disabled_support=None)
    environment = {"GREENFINCH_MODELS": str(tmp_path / "no models")}
    async with editor(project, plain, environment=environment) as window:
        generate, pull = await window.actions(window.open("words.py"), "...", [REWRITE])
        assert (generate.title, generate.command.command) == (GENERATE, "greenfinch.implement")
        assert pull.title.startswith("Pull the model")


@pytest.mark.slow
async def test_listing_in_a_huge_file_holds_nothing_up_and_outdated_requests_are_dropped(project: Path, script) -> None:
    huge = STUB + "".join(f"def f{number}(a, b):\n    return a + b\n\n\n" for number in range(5000))
    async with editor(project, environment=script("")) as window:
        uri = window.open("words.py", huge)
        answered: list[str] = []

        async def listing(name: str) -> None:
            found[name] = await window.actions(uri, "def slugify")
            answered.append(name)

        found: dict[str, list[types.CodeAction]] = {}
        async with anyio.create_task_group() as group:
            for name in ("first", "outdated", "latest"):
                group.start_soon(listing, name)
                await anyio.sleep(0.01)
                if name != "latest":
                    window.type(uri, "Words", "Wordss")
            await window.run("greenfinch.cancel")
            answered.append("another request")
        assert answered.index("another request") < answered.index("latest")
        assert found["latest"] and not found["outdated"]


@pytest.mark.slow
async def test_a_client_without_any_capability_gets_plain_commands(project: Path, script) -> None:
    async with editor(project, types.ClientCapabilities(), environment=script("")) as window:
        uri = window.open("words.py")
        (command,) = await window.actions(uri, "...")
        assert isinstance(command, types.Command) and command.title == GENERATE


@pytest.mark.slow
async def test_other_files_and_blank_places_offer_nothing(project: Path, script) -> None:
    (project / "notes.txt").write_text("def slugify\n")
    (project / "full.py").write_text("# slugify\n\nx = 1\n")
    async with editor(project, environment=script("")) as window:
        assert await window.actions(window.open("notes.txt"), "def") == []
        assert await window.actions(window.open("full.py"), "x = 1") == []


async def test_listing_runs_no_code_of_the_users(project: Path, tmp_path: Path, script) -> None:
    witness = tmp_path / "witness"
    mark = f"open({str(witness)!r}, 'w').close()\n"
    for name in ("conftest.py", "words.py", "test_words.py"):
        path = project / name
        path.write_text(mark + (path.read_text() if path.exists() else ""))
    async with editor(project, environment=script("")) as window:
        uri = window.open("words.py")
        assert await window.actions(uri, "def slugify")
        assert await window.actions(uri, "class Box")
    assert not witness.exists()


@pytest.mark.parametrize(
    "encoding",
    [pytest.param("utf-8", marks=pytest.mark.slow), "utf-16", pytest.param("utf-32", marks=pytest.mark.slow)],
)
async def test_positions_behind_emoji_cjk_and_form_feeds_are_understood(project: Path, script, encoding: str) -> None:
    offered = capabilities(general__position_encodings=[encoding])
    async with editor(project, offered, environment=script("")) as window:
        assert window.encoding == encoding
        uri = window.open("words.py")
        window.type(uri, '"""Words."""', '"""Words 🐦🐦 漢字."""\n\x0c\nA = "🐦\u2028漢"; B = "x"')
        window.type(uri, 'B = "x"', 'B = "🐦"; C = 1')
        window.type(uri, "def slugify(title):", "def slugify(title): # 🐦")
        action = await window.action(uri, "...", GENERATE)
        assert action.command.arguments[0]["qualname"] == "slugify"
        window.type(uri, "class Box:", 'class Box:\n    """漢字🐦"""; SIZE = "🐦"\n')
        action = await window.action(uri, "def count", GENERATE)
        assert action.command.arguments[0]["qualname"] == "Box.count"


async def test_a_document_that_is_no_file_is_refused_clearly(project: Path, script) -> None:
    async with editor(project, environment=script("")) as window:
        item = types.TextDocumentItem("untitled:Untitled-1", "python", 1, "def f():\n    ...\n")
        window.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        argument = {"uri": item.uri, "position": {"line": 0, "character": 5}}
        answer = await window.run("greenfinch.implement", argument)
        assert answer["job"] is None and "not a file" in answer["reason"] and "Save it" in answer["reason"]


def test_a_text_is_parsed_once_however_often_the_cursor_moves(tmp_path: Path) -> None:
    text = "".join(f"def f{number}():\n    ...\n\n\n" for number in range(300))
    uri = (tmp_path / "many.py").as_uri()
    documents = Documents(tmp_path.as_uri(), types.TextDocumentSyncKind.Incremental)
    documents.put_text_document(types.TextDocumentItem(uri, "python", 1, text))
    before = parse.cache_info().misses
    for number in range(300):
        place = places.at_position(documents, uri, types.Position(4 * number, 0))
        assert place.target.qualname == f"f{number}"
    assert parse.cache_info().misses == before + 1
