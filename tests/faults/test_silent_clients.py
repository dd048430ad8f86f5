"""A client that leaves requests of the server unanswered, or answers when nobody waits any more, holds nothing up."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from faults.wire import Wire, accept
from lsp.projects import BAD, GOOD

pytestmark = pytest.mark.slow

CAPABILITIES = {
    "workspace": {
        "applyEdit": True, "configuration": True, "didChangeConfiguration": {"dynamicRegistration": True},
        "codeLens": {"refreshSupport": True}, "workspaceEdit": {"documentChanges": True},
    },
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
}  # fmt: skip
ASKED = (
    "window/workDoneProgress/create", "window/showDocument", "workspace/configuration", "client/registerCapability",
    "workspace/codeLens/refresh",
)  # fmt: skip


class Client:
    """Answers nothing of what is in `silent`; `late`: after the server has given up."""

    def __init__(self, project, environment: dict[str, str], silent: tuple[str, ...], *, late: bool = False) -> None:
        self.silent = silent
        self.late = late
        self.answered = False
        self.wire = Wire(project, environment, self._answer)
        self.wire.initialize(CAPABILITIES, strategy="greedy", code_lens=True)
        self.uri = self.wire.open("words.py")

    def _answer(self, message: dict[str, Any]) -> dict[str, Any] | None:
        if message["method"] not in self.silent:
            return accept(message)
        if self.late:
            answer = {"jsonrpc": "2.0", "id": message["id"], **(accept(message) or {})}
            threading.Timer(1.5, self._answer_late, [answer]).start()
        return None

    def _answer_late(self, answer: dict[str, Any]) -> None:
        self.wire.say(answer)
        self.answered = True

    def job(self) -> dict[str, Any]:
        number = self.wire.command("greenfinch.implement", {"uri": self.uri, "qualname": "slugify"})["job"]
        self.wire.until(lambda: self._found(number)["state"] != "running", 60)
        return self._found(number)

    def _found(self, number: str) -> dict[str, Any]:
        return next(each for each in self.wire.command("greenfinch.status")["jobs"] if each["job"] == number)

    def end(self) -> None:
        assert self.wire.close() == 0
        assert "Traceback" not in self.wire.log.read_text()

    def shown(self) -> list[str]:
        return [note["params"]["message"] for note in self.wire.notes if note["method"] == "window/logMessage"]


def test_what_is_not_answered_is_done_without(project, script) -> None:
    client = Client(project, script(GOOD), ASKED)
    try:
        assert client.job()["state"] == "passed"
        assert [note for note in client.wire.notes if note["method"] == "$/progress"] == []
        script(BAD)
        assert client.job()["state"] == "not passed"
        client.wire.until(lambda: any("Best attempt" in message for message in client.shown()))
        assert {each["method"] for each in client.wire.asked} >= set(ASKED), "all of them were asked"
        client.end()
    finally:
        client.wire.kill()


@pytest.mark.parametrize("late", [False, True], ids=["never", "late"])
def test_an_edit_that_is_not_answered_ends_its_job_and_is_offered_again(project, script, late: bool) -> None:
    client = Client(project, script(GOOD), ("workspace/applyEdit",), late=late)
    try:
        ended = client.job()
        assert ended["state"] == "not applied" and "did not answer within 1 s" in ended["message"]
        client.wire.until(lambda: client.answered or not late)
        client.silent = ()
        answer = client.wire.command("greenfinch.reapply", {"uri": client.uri, "qualname": "slugify"})
        client.wire.until(lambda: client._found(answer["job"])["state"] != "running", 60)
        assert client._found(answer["job"])["state"] == "passed"
        client.end()
    finally:
        client.wire.kill()
