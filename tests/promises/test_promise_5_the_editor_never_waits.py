"""Promise 5: every request is answered at once, whatever runs; a crash kills one job's attempt, not the server."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest
from lsp.editor import editor
from lsp.projects import GOOD

pytest_plugins = ("lsp.projects",)
pytestmark = pytest.mark.anyio

ENDLESS = {"text": "    x = 1\n", "repeat": True, "delay_per_token": 0.001}
HANGS = "    while True:\n        pass\n"
CRASHES = "    import os\n    os.abort()\n"
LONGEST_ANSWER = 0.5  # seconds; editors are felt to hang from about there on


@pytest.mark.parametrize(
    "reply", [pytest.param(ENDLESS, id="model"), pytest.param(HANGS, id="tests", marks=pytest.mark.slow)]
)
async def test_requests_are_answered_at_once_while_a_job_is_busy(project: Path, script, reply) -> None:
    async with editor(project, environment=script(reply)) as window:
        uri = window.open("words.py")
        await window.actions(uri, "def slugify")  # loads the parser, as opening the menu for the first time does
        began = time.monotonic()
        job = await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"})
        answers = [time.monotonic() - began]
        await window.until(lambda: any("implementing" in (value.message or "") for value in window.progress))
        for number in range(20):
            window.type(uri, "def done", f"# {number}\ndef done")
            began = time.monotonic()
            await window.run("greenfinch.status")
            await window.actions(uri, "def put")
            answers.append(time.monotonic() - began)
            await anyio.sleep(0.05)
        status = await window.run("greenfinch.status")
        assert [each["state"] for each in status["jobs"] if each["job"] == job["job"]] == ["running"]
        assert max(answers) < LONGEST_ANSWER


@pytest.mark.slow
async def test_the_command_answers_before_its_client_does(project: Path, script) -> None:
    """Some editors block until the command is answered, and answer nothing themselves meanwhile."""
    async with editor(project, environment=script(GOOD)) as window:
        uri = window.open("words.py")
        window.answers = [None]  # the edit is never answered
        began = time.monotonic()
        answer = await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"})
        assert time.monotonic() - began < LONGEST_ANSWER and answer["job"]
        await window.until(lambda: window.edits)
        began = time.monotonic()
        await window.run("greenfinch.status")
        assert time.monotonic() - began < LONGEST_ANSWER


@pytest.mark.slow
async def test_a_candidate_that_crashes_its_tests_ends_itself_alone(project: Path, script) -> None:
    environment = script(CRASHES, GOOD)
    async with editor(project, environment=environment) as window:
        uri = window.open("words.py")
        job = await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"})
        assert (await window.ended(job["job"]))["state"] == "passed"
        assert GOOD in window.texts[uri]


async def test_a_model_that_fails_ends_its_job_and_not_the_server(project: Path, script) -> None:
    async with editor(project, environment=script({"error": "out of memory"})) as window:
        uri = window.open("words.py")
        place = {"uri": uri, "qualname": "slugify"}
        failed = await window.ended((await window.run("greenfinch.implement", place))["job"])
        assert failed["state"] == "failed" and "out of memory" in failed["message"]
        script(GOOD)
        passed = await window.ended((await window.run("greenfinch.implement", place))["job"])
        assert passed["state"] == "passed"
