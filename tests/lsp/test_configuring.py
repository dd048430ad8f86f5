"""Settings reach the server from wherever this client keeps them; a wrong one is told, and costs nothing else."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from lsp.editor import Editor, capabilities, editor
from lsp.projects import BAD, GOOD
from lsprotocol import types

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def changed(window: Editor, settings: object) -> None:
    params = types.DidChangeConfigurationParams(settings)
    window.client.workspace_did_change_configuration(params)


async def tried(window: Editor, uri: str) -> str:
    """Of how many candidates the progress spoke in a run in which nothing passes."""
    before = len(window.progress)
    answer = await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"})
    await window.ended(answer["job"])
    reports = [value.message or "" for value in window.progress[before:]]
    return next(message.partition(" ")[0].partition("/")[2] for message in reports if " tried" in message)


async def test_initialization_options_count_with_and_without_the_section(project: Path, script) -> None:
    for options in ({"candidates": 2}, {"greenfinch": {"candidates": 2, "python": sys.executable}}):
        async with editor(project, environment=script(BAD), options=options) as window:
            assert await tried(window, window.open("words.py")) == "2"


async def test_the_clients_configuration_is_asked_for_and_wins(project: Path, script) -> None:
    options, configuration = {"candidates": 5}, {"candidates": 2, "trace": {"server": "off"}}
    async with editor(project, environment=script(BAD), options=options, configuration=configuration) as window:
        assert await tried(window, window.open("words.py")) == "2"
        assert not [message for message in window.messages if "setting" in message]


async def test_a_configuration_that_changes_counts_from_the_next_job_on(project: Path, script) -> None:
    async with editor(project, environment=script(BAD), configuration={"candidates": 2}) as window:
        uri = window.open("words.py")
        assert await tried(window, uri) == "2"
        window.client.set_configuration({"greenfinch": {"candidates": 3}})
        changed(window, None)
        assert await tried(window, uri) == "3"


async def test_a_client_that_pushes_its_configuration_is_heard(project: Path, script) -> None:
    pushing = capabilities(workspace__configuration=None)
    async with editor(project, pushing, environment=script(BAD)) as window:
        changed(window, {"greenfinch": {"candidates": 3}, "other": {"candidates": 9}})
        assert await tried(window, window.open("words.py")) == "3"


async def test_an_unknown_name_is_told_once_and_the_rest_counts(project: Path, script) -> None:
    configuration = {"candidate": 1, "candidates": "many", "strategy": "greedy"}
    async with editor(project, environment=script(BAD, GOOD), configuration=configuration) as window:
        uri = window.open("words.py")
        answer = await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"})
        assert (await window.ended(answer["job"]))["state"] == "not passed"  # greedy: the second reply is never asked
        changed(window, None)
        await window.run("greenfinch.status")
        warnings = [m.message for m in window.client.messages if "configuration" in m.message]
        assert len(warnings) == 2
        assert "no setting 'candidate'" in warnings[0] and "candidates cannot be 'many'" in warnings[1]


async def test_word_of_changes_is_asked_for_where_that_is_needed(project: Path) -> None:
    dynamic = types.DidChangeConfigurationClientCapabilities(dynamic_registration=True)
    async with editor(project, capabilities(workspace__did_change_configuration=dynamic)) as window:
        await window.until(lambda: "workspace/didChangeConfiguration" in window.registered)


async def test_the_users_own_file_that_cannot_be_used_is_told(project: Path, tmp_path: Path) -> None:
    broken = tmp_path / "config.toml"
    broken.write_text("model = ")
    async with editor(project, environment={"GREENFINCH_CONFIG": str(broken)}) as window:
        await window.until(lambda: any("not valid TOML" in message for message in window.messages))


async def test_of_the_users_own_settings_all_but_what_cannot_be_used_count(
    project: Path, tmp_path: Path, script
) -> None:
    own = tmp_path / "config.toml"
    own.write_text("candidates = 2\nbudget_second = 60\n")
    environment = {"GREENFINCH_CONFIG": str(own), "GREENFINCH_BUDGET_TOKENS": "many", **script(BAD, BAD, BAD)}
    async with editor(project, environment=environment) as window:
        await window.until(lambda: any("there is no setting 'budget_second'" in text for text in window.messages))
        await window.until(lambda: any("budget_tokens cannot be 'many'" in text for text in window.messages))
        assert await tried(window, window.open("words.py")) == "2"


async def test_each_folder_of_a_window_has_its_own_configuration(project: Path, script) -> None:
    """The client says what is set in a folder if it is asked with the folder's uri; without one it says the first's."""
    other, unset = project.parent / "other", project.parent / "unset"
    for folder in (other, unset):
        shutil.copytree(project, folder)
    environment = script(BAD, BAD, BAD, BAD)
    async with editor(project, environment=environment, configuration={"candidates": 2}) as window:
        window.client.set_configuration({"greenfinch": {"candidates": 3}}, scope_uri=other.as_uri())
        window.client.set_configuration({"greenfinch": {}}, scope_uri=unset.as_uri())
        added = [types.WorkspaceFolder(folder.as_uri(), folder.name) for folder in (other, unset)]
        event = types.WorkspaceFoldersChangeEvent(added, [])
        window.client.workspace_did_change_workspace_folders(types.DidChangeWorkspaceFoldersParams(event))
        assert await tried(window, window.open("words.py")) == "2"
        assert await tried(window, window.open("../other/words.py")) == "3"
        assert await tried(window, window.open("../unset/words.py")) == "64"


@pytest.mark.parametrize(
    "options",
    [
        {"trusted": False, "greenfinch": {"candidates": 2}},
        {"greenfinch": {"trusted": False}},
        {"trusted": True, "greenfinch": {"trusted": False}},
        {"trusted": False, "greenfinch": {"trusted": True}},
    ],
)
async def test_a_workspace_that_is_not_trusted_at_either_level_of_the_options_is_not(
    project: Path, script, options: dict[str, object]
) -> None:
    async with editor(project, environment=script(GOOD), options=options) as window:
        answer = await window.run("greenfinch.implement", {"uri": window.open("words.py"), "qualname": "slugify"})
        assert answer["job"] is None and "not trusted" in answer["reason"]


async def test_the_clients_own_options_count_beside_the_section_too(project: Path) -> None:
    options = {"status_notifications": True, "greenfinch": {"candidates": 2}}
    async with editor(project, options=options) as window:
        told: list[Any] = []

        @window.client.feature("greenfinch/status")
        def status(params: Any) -> None:
            told.append(params)

        window.client.protocol.notify("greenfinch/trust", {"trusted": False})
        await window.until(lambda: told)
