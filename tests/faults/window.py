"""An editor's side of a schedule: keeps documents as editors do, answers as told, and judges every edit that comes.

An edit is right if it changes the target's body alone, to a body that passes the tests as they are, and carries as its
label the proof of one run, whose record says that it was about the target as it is now.
"""

from __future__ import annotations

import ast
import os
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.leftovers import records
from faults.wire import Wire, accept
from lsp.projects import BAD
from lsprotocol import types

from lsp_server.documents import offset_at, position_at

MODULE = '''"""Wörter 🐦."""


def slugify(title):
    """Lower-case words, joined."""
    ...


def twice(value):
    """🐦 Two of it."""
    raise NotImplementedError


def untested(value):
    """No test is about this one."""
    ...
'''
_TESTS = """from words import slugify, twice


def test_slugify():
    assert slugify("Hello World") == "hello{0}world"


def test_slugify_of_three():
    assert slugify("a B c") == "a{0}b{0}c"


def test_twice():
    assert twice(2) == 4
    assert twice("a") == "aa"
"""
SEPARATORS = ("-", "_")
TESTS = {separator: _TESTS.format(separator) for separator in SEPARATORS}
BODIES = {("slugify", each): f'    return "{each}".join(title.lower().split())\n' for each in SEPARATORS}
BODIES |= {("twice", each): "    return value * 2\n" for each in SEPARATORS}
NAMES = ("slugify", "twice", "untested")
_REMEMBERED = 20  # jobs that have ended, by the server
_PROOF = re.compile(r"(\w+): (\d+)/(\d+) tests pass")


def replies(mood: str, separator: str) -> list[dict[str, Any]]:
    """A script in which the model answers well, badly, slowly, without end, or not at all."""
    texts = {"slugify": [BAD, *(BODIES["slugify", each] for each in sorted(SEPARATORS, key=lambda s: s != separator))]}
    texts |= {"twice": [BODIES["twice", "-"]], "untested": ["    return value\n"]}
    if mood == "good":
        texts["slugify"] = texts["slugify"][1:2]
    elif mood == "bad":
        texts |= {"slugify": [BAD], "twice": ["    return value\n"]}
    found = []
    for name, bodies in texts.items():
        for body in bodies:
            reply: dict[str, Any] = {"text": body, "match": f"Complete the function `{name}`"}
            if mood == "slow":
                reply["delay_per_token"] = 0.08
            elif mood == "endless":
                reply |= {"text": "    pass\n", "repeat": True, "delay_per_token": 0.002}
            elif mood == "error":
                reply = {"error": "the model is out of order", "match": reply["match"]}
            found.append(reply)
    return found


def function_in(text: str, name: str) -> tuple[int, int, str]:
    """Start of its body behind docstring and comments, and its end (offsets of whole lines), and its whole source."""
    lines = text.splitlines(keepends=True)
    tree = ast.parse(text)
    node = next(each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == name)
    first, last = node.body[1], node.body[-1]
    start, end = sum(map(len, lines[: first.lineno - 1])), sum(map(len, lines[: last.end_lineno]))
    return start, end, text[sum(map(len, lines[: node.lineno - 1])) : end]


@dataclass
class Edit:
    """One that came and was judged to be for the text as it was."""

    name: str
    proof: str
    source: str
    separators: tuple[str, ...]


@dataclass
class Window:
    """See the module.

    Attributes:
        mood: how edits are answered: `apply`, `refuse`, `error`, `never`, `cross` (typed into just before).
        silent: requests of the server that are never answered.
        separators: what the tests may have said when the server last looked; the last is what they say now.
        wrong: everything that should not have happened.
    """

    root: Path
    wire: Wire = field(init=False)
    encoding: str = "utf-16"
    mood: str = "apply"
    silent: tuple[str, ...] = ()
    configuration: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    unconfirmed: set[str] = field(default_factory=set)
    separators: list[str] = field(default_factory=lambda: ["-"])
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    edits: list[Edit] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def start(self, environment: dict[str, str], profile: dict[str, Any], **options: Any) -> None:
        self.wire = Wire(self.root, environment, self._answer)
        self.wire.takes_edits = False  # this window does so itself
        answer = self.wire.call(
            "initialize",
            {"processId": os.getpid(), "rootUri": self.root.as_uri(), "clientInfo": profile.get("clientInfo"),
             "workspaceFolders": [{"uri": self.root.as_uri(), "name": "project"}],
             "capabilities": profile["capabilities"], "initializationOptions": options},
        )  # fmt: skip
        self.encoding = answer["result"]["capabilities"].get("positionEncoding", "utf-16")
        self.wire.notify("initialized", {})

    # -- documents

    def uri(self, name: str) -> str:
        return (self.root / name).as_uri()

    def text(self, name: str) -> str:
        """What an editor would show: the buffer, or the file."""
        uri = self.uri(name)
        return self.texts[uri] if uri in self.texts else (self.root / name).read_text("utf-8")

    def open(self, name: str, text: str | None = None) -> None:
        with self.lock:
            uri = self.uri(name)
            self.texts[uri], self.versions[uri] = self.text(name) if text is None else text, 1
            self.unconfirmed.add(uri)
            item = {"uri": uri, "languageId": "python", "version": 1, "text": self.texts[uri]}
            self.wire.notify("textDocument/didOpen", {"textDocument": item})

    def close(self, name: str, *, save: bool) -> None:
        with self.lock:
            uri = self.uri(name)
            if save:
                self.save(name)
            del self.texts[uri], self.versions[uri]
            self.unconfirmed.add(uri)
            self.wire.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
            self._tests_changed()

    def save(self, name: str) -> None:
        (self.root / name).write_text(self.text(name), "utf-8")
        self.wire.notify("textDocument/didSave", {"textDocument": {"uri": self.uri(name)}})
        self._tests_changed()

    def change(self, name: str, start: int, end: int, new: str) -> None:
        """Type into an open document."""
        with self.lock:
            uri = self.uri(name)
            text = self.texts[uri]
            span = {"start": self._position(text, start), "end": self._position(text, end)}
            self._send(uri, text[:start] + new + text[end:], {"range": span, "text": new})

    def replace_all(self, name: str, text: str) -> None:
        with self.lock:
            self._send(self.uri(name), text, {"text": text})

    def _send(self, uri: str, text: str, change: dict[str, Any]) -> None:
        self.texts[uri] = text
        self.versions[uri] += 1
        self.unconfirmed.add(uri)
        document = {"uri": uri, "version": self.versions[uri]}
        self.wire.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
        self._tests_changed()

    def _tests_changed(self) -> None:
        found = next(each for each in SEPARATORS if self.text("test_words.py") == TESTS[each])
        if found != self.separators[-1]:
            self.separators.append(found)

    def _position(self, text: str, offset: int) -> dict[str, int]:
        position = position_at(text, offset, self.encoding)
        return {"line": position.line, "character": position.character}

    def _offset(self, text: str, position: dict[str, int]) -> int:
        return offset_at(text, types.Position(position["line"], position["character"]), self.encoding)

    # -- jobs

    def command(self, name: str, *arguments: Any) -> Any:
        return self.wire.command(name, *arguments)

    def place(self, name: str) -> dict[str, Any]:
        return {"uri": self.uri("words.py"), "qualname": name}

    def start_job(self, name: str, command: str, place: dict[str, Any]) -> None:
        """Run a command that starts a job for the target `name`, or is refused."""
        before = self.latest.pop(name, None)  # its edit may be here before its number is known
        answer = self.command(command, place)
        if answer["job"] is None:
            self.seen["refused"] += 1
        else:
            self.jobs[answer["job"]] = {"state": "running"}
        if number := answer["job"] or before:
            self.latest[name] = number

    def look(self) -> list[str]:
        """Ask for the status, which has to agree with all that was told before; the jobs at work."""
        with self.lock:
            sent, before = set(self.unconfirmed), list(self.separators)
        status = self.command("greenfinch.status")
        with self.lock:
            if self.unconfirmed == sent and self.separators == before:  # whatever was sent has been read by now
                self.unconfirmed.clear()
                del self.separators[:-1]
        told = {job["job"]: job for job in status["jobs"]}
        for number, known in self.jobs.items():
            job = told.get(number)
            if job is None:
                if known["state"] == "running" and len(told) < _REMEMBERED:
                    self.wrong.append(f"job {number} is not known any more, and has not ended")
            elif known["state"] not in ("running", job["state"]):
                self.wrong.append(f"job {number} ended as {known['state']}, and then as {job['state']}")
            else:
                self.jobs[number] = job
        return [number for number, job in told.items() if job["state"] == "running"]

    # -- the server's requests

    def _answer(self, message: dict[str, Any]) -> dict[str, Any] | None:
        method = message["method"]
        self.seen[method] += 1
        if method in self.silent:
            return None
        if method == "workspace/configuration":
            items = message["params"]["items"]
            return {"result": [self.configuration if item["section"] == "greenfinch" else None for item in items]}
        if method == "window/showMessageRequest":
            chosen = {"apply": 0, "cross": 0, "refuse": 1}.get(self.mood)
            if self.mood == "never":
                return None
            return {"result": None if chosen is None else message["params"]["actions"][chosen]}
        if method != "workspace/applyEdit":
            return accept(message)
        try:
            with self.lock:
                return self._edit(message["params"])
        except Exception as error:  # told by the schedule, in its own thread
            self.wrong.append(f"an edit could not be judged: {error!r}: {message['params']}")
            return {"result": {"applied": False}}

    def _edit(self, params: dict[str, Any]) -> dict[str, Any] | None:
        label, edit = params["label"], params["edit"]
        proof = _PROOF.match(label)
        if proof is None or proof[2] != proof[3] or proof[2] == "0":
            self.wrong.append(f"an edit without a proof: {label!r}")
            return {"result": {"applied": False}}
        name = proof[1]
        if self.latest.get(name) in self.cancelled:
            self.wrong.append(f"an edit of a job that was cancelled before: {label!r}")
        refused = {"result": {"applied": False, "failureReason": "the document has changed"}}
        if self.mood == "cross" and self.uri("words.py") in self.texts:
            self.change("words.py", 0, 0, "# typed while the edit was on its way\n")
        text = self.text("words.py")
        changes = [(each["textDocument"], each["edits"]) for each in edit.get("documentChanges", ())]
        changes += [({"uri": uri, "version": None}, edits) for uri, edits in edit.get("changes", {}).items()]
        ((document, edits),) = changes
        uri = document["uri"]
        now = self.versions.get(uri)
        if (document["version"] or now) != now or (document["version"] is None and uri in self.unconfirmed):
            self.seen["crossed"] += 1
            return refused
        new = text
        for each in sorted(edits, key=lambda e: self._offset(text, e["range"]["start"]), reverse=True):
            start, end = (self._offset(text, each["range"][key]) for key in ("start", "end"))
            new = new[:start] + each["newText"] + new[end:]
        self._judge(name, label, text, new)
        if self.mood in ("refuse", "error", "never"):
            failed = {"error": {"code": -32603, "message": "no"}}
            return {"refuse": {"result": {"applied": False}}, "error": failed}.get(self.mood)
        self.seen["applied"] += 1
        if uri in self.texts:
            self.replace_all("words.py", new)
        else:
            self.open("words.py", new)
        return {"result": {"applied": True}}

    def _judge(self, name: str, label: str, text: str, new: str) -> None:
        start, end, source = function_in(text, name)
        commented = re.search(r"(?:    # mine, .*\n)*\Z", text[:start])
        assert commented is not None
        allowed = {
            text[:begun] + BODIES[name, each] + text[end:]
            for each in self.separators
            for begun in (start, commented.start())
        }
        if new not in allowed:
            self.wrong.append(f"an edit for tests that say {self.separators} made of\n{text}\nthis:\n{new}")
        self.edits.append(Edit(name, label, source, tuple(self.separators)))

    def check_proofs(self, folder: Path) -> None:
        """Each edit's proof is the outcome of one record, and that run was about the target as it then was."""
        runs: dict[object, list[tuple[Path, dict[str, Any], dict[str, Any]]]] = {}
        for path, lines in records(folder):
            if lines and lines[-1]["event"] == "outcome" and lines[-1]["passed"]:
                runs.setdefault(lines[-1]["proof"], []).append((path, lines[0], lines[-1]))
        for edit in self.edits:
            sources = []
            for path, first, last in runs.get(edit.proof, ()):
                text = next(text for name, text in first["texts"].items() if Path(name).name == "words.py")
                sources.append(function_in(text, edit.name)[2])
                if not last["tests_passed"] == last["tests_total"] > 0:
                    self.wrong.append(f"{path.name}: passed {last['tests_passed']} of {last['tests_total']}")
            if edit.source not in sources:
                self.wrong.append(f"{edit.proof!r} was about {sources}, and its edit for {edit.source!r}")
