"""What the tests leave open, as candidates that pass show it, is answered by a code action that writes a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsp.editor import editor
from lsp.projects import GOOD
from lsp.test_implementing import implement

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

OTHER = '    return title.lower().replace(" ", "-")\n'  # as good for the tests, another one for several spaces


async def test_an_answer_becomes_a_test_in_the_users_file(project: Path, script) -> None:
    environment = script({"text": OTHER}, *[{"text": body} for body in (GOOD, OTHER, GOOD, OTHER, GOOD, OTHER, GOOD)])
    async with editor(project, environment=environment) as window:
        uri, tests = window.open("words.py"), window.open("test_words.py")
        assert (await implement(window, uri, "def slugify"))["state"] == "passed"
        before = window.texts[tests]
        action = await window.action(uri, "def slugify", "Write the test: slugify(")
        await window.choose(action)
        await window.until(lambda: window.texts[tests] != before)
        assert window.texts[tests].count("def test_") == before.count("def test_") + 1
        assert not [a for a in await window.actions(uri, "def slugify") if "Write the test" in a.title]
        again = await window.run("greenfinch.answer", {"uri": uri, "qualname": "slugify", "index": 0})
        assert "leave no question open" in again["reason"]


async def test_a_question_whose_test_file_has_gone_is_dropped_with_a_reason(project: Path, script) -> None:
    environment = script({"text": OTHER}, *[{"text": body} for body in (GOOD, OTHER, GOOD, OTHER, GOOD, OTHER, GOOD)])
    async with editor(project, environment=environment) as window:
        uri = window.open("words.py")
        assert (await implement(window, uri, "def slugify"))["state"] == "passed"
        action = await window.action(uri, "def slugify", "Write the test: slugify(")
        (project / "test_words.py").rename(project / "test_moved.py")
        answer = await window.choose(action)
        assert answer["job"] is None and "test_words.py cannot be read" in answer["reason"]
        assert "implement slugify again" in answer["reason"]
        assert not [a for a in await window.actions(uri, "def slugify") if "Write the test" in a.title]
