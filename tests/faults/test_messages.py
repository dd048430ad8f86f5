"""Ten thousand messages that no editor should send: each request gets one answer, and the server lives."""

from __future__ import annotations

import copy
import json
import os
import random
from typing import Any

import pytest
from faults.conversations import recorded
from faults.wire import Wire, framed
from lsp.projects import GOOD

MESSAGES = int(os.environ.get("GREENFINCH_PROTOCOL_MESSAGES", "10000"))
A_SERVER = 2500
QUICK = 150
JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**63, 1e308, float("nan"), "", "x", "🎈", "\ud800", [], {}, [[]], {"": None},
    "a" * 70_000, "file:///", "file://%00", "untitled:x", "greenfinch.implement", {"line": -1, "character": -1},
    {"line": 2**40, "character": 2**40}, {"start": 1}, [None] * 300,
)  # fmt: skip


def conversation(uri: str) -> list[dict[str, Any]]:
    """What editors do send: each kind of message once, and what the real ones were recorded to send."""
    return [*of_each_kind(uri), *recorded(uri)]


def of_each_kind(uri: str) -> list[dict[str, Any]]:
    here = {"line": 5, "character": 4}
    span = {"start": here, "end": here}
    document = {"uri": uri}
    place = {"uri": uri, "qualname": "slugify"}
    return [
        {"method": "textDocument/didOpen", "params": {"textDocument": {**document, "languageId": "python", "version": 1,
                                                                       "text": "def f(x):\n    ...\n"}}},
        {"method": "textDocument/didChange", "params": {"textDocument": {**document, "version": 2}, "contentChanges": [
            {"range": span, "text": "🎈"}]}},
        {"method": "textDocument/didChange", "params": {"textDocument": {**document, "version": 3}, "contentChanges": [
            {"text": "def f(x):\n    ...\n"}]}},
        {"method": "textDocument/didClose", "params": {"textDocument": document}},
        {"method": "textDocument/didSave", "params": {"textDocument": document}},
        {"id": 0, "method": "textDocument/codeAction", "params": {"textDocument": document, "range": span, "context": {
            "diagnostics": [], "only": ["refactor"], "triggerKind": 1}}},
        {"id": 0, "method": "workspace/executeCommand", "params": {"command": "greenfinch.implement",
                                                                   "arguments": [place]}},
        {"id": 0, "method": "workspace/executeCommand", "params": {"command": "greenfinch.implement", "arguments": [
            {"uri": uri, "position": here, "version": 3}]}},
        {"id": 0, "method": "workspace/executeCommand", "params": {"command": "greenfinch.cancel", "arguments": []}},
        {"id": 0, "method": "workspace/executeCommand", "params": {"command": "greenfinch.status", "arguments": []}},
        {"id": 0, "method": "workspace/executeCommand", "params": {"command": "greenfinch.reapply",
                                                                   "arguments": [place]}},
        {"id": 0, "method": "workspace/executeCommand", "params": {"command": "greenfinch.showReport"}},
        {"method": "workspace/didChangeConfiguration", "params": {"settings": {"greenfinch": {"candidates": 4}}}},
        {"method": "workspace/didChangeWorkspaceFolders", "params": {"event": {"added": [{"uri": uri, "name": "x"}],
                                                                               "removed": []}}},
        {"method": "window/workDoneProgress/cancel", "params": {"token": "x"}},
        {"method": "$/cancelRequest", "params": {"id": "own-1"}},
        {"method": "$/setTrace", "params": {"value": "verbose"}},
        {"id": 0, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}},
        {"id": 0, "result": {"applied": True}},
        {"id": 0, "error": {"code": -32603, "message": "no"}},
        {"id": 0, "method": "textDocument/hover", "params": {"textDocument": document, "position": here}},
        {"id": 0, "method": "no/such/method", "params": {}},
    ]  # fmt: skip


def mangled(chance: random.Random, message: dict[str, Any]) -> dict[str, Any]:
    """A message with a few of its parts gone, of another kind, or in another's place."""
    message = copy.deepcopy(message)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 5))):
        holder: Any = message
        while True:  # down some random path
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = chance.choice(keys)
            inner = holder[key]
            if isinstance(inner, (dict, list)) and inner and chance.random() < 0.75:
                holder = inner
                continue
            if isinstance(holder, dict) and chance.random() < 0.3:
                del holder[key]
            else:
                holder[key] = copy.deepcopy(chance.choice(JUNK))
            break
    return message


def raw(chance: random.Random, body: bytes) -> bytes:
    """Its bytes, sometimes not even JSON; the frame is right, or nobody could tell where the next one begins."""
    kind = chance.randrange(12)
    if kind == 0:
        body = body[: chance.randrange(1, len(body) + 1)]
    elif kind == 1:
        at = chance.randrange(min(len(body) - 1, 45), len(body))  # not in the id: an answer has to find its request
        body = body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]
    elif kind == 2:
        body = b"[" + body + b"," + body + b"]"
    elif kind == 3:
        body = b"[" * 3000
    head = chance.choice(
        (b"Content-Length: %d\r\n\r\n", b"Content-Length: %d\r\n\r\n",
         b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: %d\r\n\r\n",
         b"X: 1\r\nContent-Length: %d\r\nContent-Type: application/vscode-jsonrpc; charset=utf8\r\n\r\n")
    )  # fmt: skip
    return head % len(body) + body


def bombard(wire: Wire, seed: int, count: int) -> None:
    """Send `count` messages, and look that every request got one answer, and that work still can be done."""
    chance = random.Random(seed)
    said = conversation((wire.root / "words.py").as_uri())
    wire.initialize(chance.choice(({}, {"workspace": {"applyEdit": True, "configuration": True}, "window": {
        "workDoneProgress": True, "showDocument": {"support": True}}})))  # fmt: skip
    wire.open("words.py")
    owed: set[Any] = set()
    for number in range(count):
        message = {"jsonrpc": "2.0", **mangled(chance, chance.choice(said))}
        if chance.random() < 0.05:
            message["jsonrpc"] = chance.choice(JUNK)
        if "id" in message and message["id"] == 0 and type(message["id"]) is int:
            message["id"] = chance.choice((number, f"n{number}"))
        body = json.dumps(message).encode("utf-8", "surrogatepass")
        data = raw(chance, body)
        whole = data.endswith(body) and data.count(body) == 1 and not data.startswith(b"[")
        if whole and message["jsonrpc"] == "2.0" and isinstance(message.get("method"), str):
            mine = message.get("id")
            if mine in (number, f"n{number}") and mine not in JUNK:
                owed.add(mine)
        wire.send(data)
    wire.until(lambda: owed <= wire.answers.keys(), 120)
    assert {mine: wire.answers[mine] for mine in owed if len(wire.answers[mine]) != 1} == {}
    wire.command("greenfinch.cancel")
    wire.until(lambda: not any(job["state"] == "running" for job in wire.command("greenfinch.status")["jobs"]))


def works(wire: Wire) -> None:
    """A whole job, from a new document to its edit."""
    uri = wire.open("words.py", version=99)
    before = len([1 for each in wire.asked if each["method"] == "workspace/applyEdit"])
    job = wire.command("greenfinch.implement", {"uri": uri, "qualname": "slugify"})["job"]

    def ended() -> dict[str, Any] | None:
        jobs = wire.command("greenfinch.status")["jobs"]
        return next((each for each in jobs if each["job"] == job and each["state"] != "running"), None)

    wire.until(ended, 120)
    found = ended()
    assert found is not None
    asked = [each for each in wire.asked if each["method"] == "workspace/applyEdit"]
    if "does not let servers edit" not in found["message"]:
        assert len(asked) == before + 1 and found["state"] == "passed", found


def run(project, script, seed: int, count: int) -> None:
    wire = Wire(project, script(GOOD))
    try:
        bombard(wire, seed, count)
        works(wire)
        assert wire.close() == 0
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise
    finally:
        wire.kill()


@pytest.mark.slow
def test_some_messages_that_no_editor_should_send(project, script):
    run(project, script, 0, QUICK)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(1, 1 + MESSAGES // A_SERVER))
def test_ten_thousand_messages_that_no_editor_should_send(project, script, seed):
    run(project, script, seed, A_SERVER)


@pytest.mark.parametrize(
    "junk",
    [b"\r\n", b"hello\r\n", b"Content-Length: x\r\n\r\n", b"Content-Length: -1\r\n\r\n", b"\xff\xfe\r\n" * 100],
    ids=["empty line", "no header", "no number", "negative", "binary"],
)
def test_lines_that_are_no_header_are_passed_over(project, script, junk):
    wire = Wire(project, script(GOOD))
    try:
        wire.send(junk)
        wire.initialize()
        assert wire.command("greenfinch.status")["jobs"] == []
        assert wire.close() == 0
    finally:
        wire.kill()


def test_a_message_that_breaks_off_ends_the_server(project, script):
    wire = Wire(project, script(GOOD))
    try:
        wire.initialize()
        wire.send(framed(b'{"jsonrpc": "2.0"')[:-5])
        wire.hang_up()
        assert wire.process.wait(20) in (0, 1)
    finally:
        wire.kill()
