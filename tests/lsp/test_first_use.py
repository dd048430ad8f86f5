"""First use explains itself: no model, no trust, a weak sandbox; and the doctor says what there is."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from lsp.editor import Editor, capabilities, editor
from lsp.projects import GOOD, STUB
from lsp.test_implementing import GENERATE, implement
from lsp.test_pulling import sources_at
from lsprotocol import types
from pygls.uris import to_fs_path

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def answering(window: Editor, choose: Callable[[list[str]], str | None]) -> list[str]:
    """Let `choose` answer the server's questions; the questions so far."""
    questions: list[str] = []

    @window.client.feature(types.WINDOW_SHOW_MESSAGE_REQUEST)
    def ask(params: types.ShowMessageRequestParams) -> types.MessageActionItem | None:
        questions.append(params.message)
        chosen = choose([action.title for action in params.actions or []])
        return None if chosen is None else types.MessageActionItem(chosen)

    return questions


async def test_a_run_without_a_model_asks_and_respects_a_no(project: Path, tmp_path: Path) -> None:
    async with editor(project, environment={"GREENFINCH_MODELS": str(tmp_path / "none")}) as window:
        questions = answering(window, lambda titles: titles[-1])
        uri = window.open("words.py")
        answer = await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"})
        job = await window.ended(answer["job"])
        assert "qwen2.5-coder-0.5b" in questions[0] and "Licence" in questions[0]
        assert job["state"] == "cancelled" and "not begun" in job["message"]
        assert window.texts[uri] == STUB


async def test_a_run_without_a_model_pulls_it_with_progress_if_it_may(project: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        environment = sources_at(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path / "models")
        async with editor(project, environment=environment) as window:
            answering(window, lambda titles: next(title for title in titles if "(491 MB)" in title))
            uri = window.open("words.py")
            answer = await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"})
            await window.until(lambda: any("of 491 MB" in (value.message or "") for value in window.progress))
            await window.run("greenfinch.cancel", {"job": answer["job"]})
            assert (await window.ended(answer["job"]))["state"] == "cancelled"


async def test_a_client_that_cannot_be_asked_is_told_the_command(project: Path, tmp_path: Path) -> None:
    async with editor(project, environment={"GREENFINCH_MODELS": str(tmp_path / "none")}) as window:
        uri = window.open("words.py")
        answer = await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"})
        job = await window.ended(answer["job"])
        assert job["state"] == "failed" and "greenfinch models pull" in job["message"]
        assert any("greenfinch models pull" in message for message in window.messages)


async def test_nothing_runs_in_a_workspace_that_is_not_trusted(project: Path, script, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    (project / "conftest.py").write_text(f"open({str(witness)!r}, 'w').close()\n")
    async with editor(project, environment=script(GOOD), options={"trusted": False}) as window:
        uri = window.open("words.py")
        actions = await window.actions(uri, "def slugify")
        assert actions and all("not trusted" in action.disabled.reason for action in actions)
        answer = await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"})
        assert answer["job"] is None and "not trusted" in answer["reason"]
        doctor = await window.run("greenfinch.doctor", {"uri": uri, "show": False})
        await window.ended(doctor["job"])
        (job,) = (await window.run("greenfinch.status", {"job": doctor["job"]}))["jobs"]
        found = {finding["what"]: finding for finding in job["result"]["findings"]}
        assert not found["workspace trust"]["ok"] and "your Python" not in found
        assert not witness.exists()
        window.client.protocol.notify("greenfinch/trust", {"trusted": True})
        assert (await implement(window, uri, "def slugify"))["state"] == "passed"


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces of Linux")
async def test_a_weaker_sandbox_is_told_of_once_to_each_user(project: Path, script) -> None:
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'  # there, not on the whole machine
    wrapper = ("unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh")
    options = {"sandbox_least": "limits-only"}
    weak: list[list[str]] = []
    for _ in range(2):
        async with editor(project, environment=script(GOOD), options=options, wrapper=wrapper) as window:
            uri = window.open("words.py")
            assert (await implement(window, uri, "def slugify"))["state"] == "passed"
            weak.append([message for message in window.messages if "weaker sandbox" in message])
    assert len(weak[0]) == 1 and "NOT" in weak[0][0] and "greenfinch doctor" in weak[0][0]
    assert weak[1] == []


async def test_the_doctor_is_a_job_that_shows_its_findings(project: Path) -> None:
    async with editor(project) as window:
        answer = await window.run("greenfinch.doctor")
        await window.ended(answer["job"])
        (job,) = (await window.run("greenfinch.status", {"job": answer["job"]}))["jobs"]
        found = {finding["what"]: finding for finding in job["result"]["findings"]}
        assert {"greenfinch", "your Python", "test framework", "sandbox", "model host"} <= set(found)
        assert sys.executable in found["your Python"]["found"]
        shown = await window.until(lambda: window.client.shown_documents)
        document = await anyio.Path(to_fs_path(shown[0].uri) or "").read_text()
        assert document == job["report"] and sys.executable in document
        json.dumps(job)


async def test_the_doctor_names_what_is_missing_with_its_remedy(project: Path, tmp_path: Path) -> None:
    async with editor(project, environment={"GREENFINCH_MODELS": str(tmp_path / "none")}) as window:
        answer = await window.run("greenfinch.doctor", {"show": False})
        assert (await window.ended(answer["job"]))["message"] == "Missing: model."
        (job,) = (await window.run("greenfinch.status", {"job": answer["job"]}))["jobs"]
        model = next(finding for finding in job["result"]["findings"] if finding["what"] == "model")
        assert "greenfinch models pull" in model["remedy"] and not window.client.shown_documents


async def test_an_action_without_a_model_is_disabled_and_one_pulls_it(project: Path, tmp_path: Path) -> None:
    async with editor(project, capabilities(), environment={"GREENFINCH_MODELS": str(tmp_path / "none")}) as window:
        uri = window.open("words.py")
        generate = await window.action(uri, "...", GENERATE)
        assert generate.disabled is not None
