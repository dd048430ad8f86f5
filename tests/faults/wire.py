"""A client below the protocol: raw bytes to a real server process, and all that comes back."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lsprotocol import types

from lsp_server.documents import offset_at

SERVE = (str(Path(sys.executable).with_name("greenfinch")), "serve", "--client-timeout", "1")
PATIENCE = 120.0  # seconds for whatever comes at once: a bound on hanging alone, for a machine that others use, too
Answer = Callable[[dict[str, Any]], dict[str, Any] | None]


def framed(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def accept(request: dict[str, Any]) -> dict[str, Any] | None:
    """What a client with no wishes of its own answers to a request of the server."""
    results: dict[str, Any] = {"workspace/applyEdit": {"applied": True}, "window/showDocument": {"success": True}}
    if request["method"] == "workspace/configuration":
        return {"result": [None for _ in request["params"]["items"]]}
    return {"result": results.get(request["method"])}


def changed(text: str, change: dict[str, Any]) -> str:
    """A text after one change of a notification, in the protocol's own encoding."""
    if "range" not in change:
        return str(change["text"])
    start, end = (
        offset_at(text, types.Position(**change["range"][key]), types.PositionEncodingKind.Utf16)
        for key in ("start", "end")
    )
    return f"{text[:start]}{change['text']}{text[end:]}"


class Wire:
    """One server process.  Reads all the time, so that the server never waits for this client.

    Attributes:
        answers: responses by id, in the order of their coming. notes: notifications. asked: the server's requests.
        answer: how to answer those; None is no answer at all.
        largest: bytes of the largest message that came.
        texts: of the documents that were opened here, by uri, as far as they were changed by whole texts or ranges.
        takes_edits: an edit that is answered as applied is sent as a change, and taken back at once, so that a test
            goes on with the text that it knows.
    """

    def __init__(
        self, root: Path, environment: dict[str, str] | None = None, answer: Answer = accept,
        command: tuple[str, ...] = SERVE,
    ) -> None:  # fmt: skip
        private = {f"XDG_{name}_HOME": str(root.parent / name.lower()) for name in ("CACHE", "STATE", "CONFIG")}
        self.log = root.parent / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                env={**os.environ, **private, **(environment or {})},
            )  # fmt: skip
        self.root = root
        self.answer = answer
        self.answers: dict[Any, list[dict[str, Any]]] = {}
        self.notes: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.largest = 0
        self.texts: dict[str, str] = {}
        self.takes_edits = True
        self._came: queue.Queue[None] = queue.Queue()
        self._outgoing: queue.Queue[bytes] = queue.Queue()
        self._next = 0
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._write, daemon=True).start()

    def send(self, data: bytes) -> None:
        self._outgoing.put(data)

    def say(self, message: Any) -> None:
        self.send(framed(json.dumps(message).encode("utf-8", "surrogatepass")))

    def notify(self, method: str, params: Any) -> None:
        if method == "textDocument/didOpen":
            self.texts[params["textDocument"]["uri"]] = params["textDocument"]["text"]
        elif method == "textDocument/didChange":
            uri = params["textDocument"]["uri"]
            for change in params["contentChanges"]:
                self.texts[uri] = changed(self.texts.get(uri, ""), change)
        self.say({"jsonrpc": "2.0", "method": method, "params": params})

    def request(self, method: str, params: Any) -> str:
        """Send a request; its id."""
        self._next += 1
        mine = f"own-{self._next}"
        self.say({"jsonrpc": "2.0", "id": mine, "method": method, "params": params})
        return mine

    def call(self, method: str, params: Any, seconds: float = PATIENCE) -> dict[str, Any]:
        """Send a request and wait for its response."""
        return self.response(self.request(method, params), seconds)

    def response(self, mine: Any, seconds: float = PATIENCE) -> dict[str, Any]:
        self.until(lambda: mine in self.answers, seconds)
        return self.answers[mine][0]

    def until(self, condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not condition():
            left = end - time.monotonic()
            assert left > 0, f"nothing came; the server wrote: {self.log.read_text('utf-8', 'replace')[-3000:]}"
            assert self.process.poll() is None, f"the server ended: {self.log.read_text('utf-8', 'replace')[-3000:]}"
            try:
                self._came.get(timeout=min(left, 0.2))
            except queue.Empty:
                continue

    def initialize(self, capabilities: dict[str, Any] | None = None, **options: Any) -> None:
        folder = {"uri": self.root.as_uri(), "name": self.root.name}
        self.call(
            "initialize",
            {"processId": os.getpid(), "rootUri": folder["uri"], "workspaceFolders": [folder],
             "capabilities": capabilities or {}, "initializationOptions": {"python": sys.executable, **options}},
        )  # fmt: skip
        self.notify("initialized", {})

    def open(self, name: str, text: str | None = None, version: int = 1) -> str:
        path = self.root / name
        text = path.read_bytes().decode() if text is None else text
        item = {"uri": path.as_uri(), "languageId": "python", "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})
        return item["uri"]

    def command(self, name: str, *arguments: Any, seconds: float = PATIENCE) -> Any:
        found = self.call("workspace/executeCommand", {"command": name, "arguments": list(arguments)}, seconds)
        assert "result" in found, found
        return found["result"]

    def hang_up(self) -> None:
        """Close the server's input, once all is written."""
        self._outgoing.put(b"")

    def close(self) -> int:
        """An orderly end; the exit status."""
        self.call("shutdown", None)
        self.notify("exit", None)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.hang_up()

    def _write(self) -> None:
        assert self.process.stdin is not None
        try:
            while data := self._outgoing.get():
                self.process.stdin.write(data)
                self.process.stdin.flush()
            self.process.stdin.close()
        except (BrokenPipeError, ValueError):
            return  # the server has ended, which `until` tells

    def _take(self, edit: dict[str, Any]) -> None:
        documents = [(each["textDocument"], each["edits"]) for each in edit.get("documentChanges") or ()]
        documents += [({"uri": uri, "version": 1}, edits) for uri, edits in (edit.get("changes") or {}).items()]
        for document, edits in documents:
            if (before := self.texts.get(document["uri"])) is not None:
                changes = [{"range": each["range"], "text": each["newText"]} for each in edits]
                changes.sort(key=lambda each: (each["range"]["start"]["line"], each["range"]["start"]["character"]))
                changes.reverse()  # from the end on, so that no change moves the others
                params = {"textDocument": document, "contentChanges": [*changes, {"text": before}]}
                self.notify("textDocument/didChange", params)

    def _read(self) -> None:
        assert self.process.stdout is not None
        while header := self.process.stdout.readline():
            length = int(header.split(b":")[1])
            while self.process.stdout.readline().strip():
                pass
            self.largest = max(self.largest, length)
            message = json.loads(self.process.stdout.read(length))
            if "method" not in message:
                mine = message.get("id")
                self.answers.setdefault(mine if isinstance(mine, str | int) else repr(mine), []).append(message)
            elif "id" in message:
                self.asked.append(message)
                found = self.answer(message)
                is_edit = message["method"] == "workspace/applyEdit" and self.takes_edits
                if is_edit and found is not None and (found.get("result") or {}).get("applied"):
                    self._take(message["params"]["edit"])
                if found is not None:
                    self.say({"jsonrpc": "2.0", "id": message["id"], **found})
            else:
                self.notes.append(message)
            self._came.put(None)
