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
