"""Workspaces of any size, and how long a server takes over its requests and a whole job in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from faults.wire import Wire
from lsp.projects import GOOD, STUB, TESTS
from lsprotocol import types

from lsp_server.documents import offset_at

CAPABILITIES = {
    "workspace": {"applyEdit": True, "workspaceEdit": {"documentChanges": True}},
    "textDocument": {"codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": []}}}},
}


@dataclass(frozen=True)
class Took:
    """Seconds, but for the last: how the job ended, and mebibytes of the server's memory afterwards."""

    first_actions: float
    later_actions: float
    typing: float
    job: float
    ended: dict[str, Any]
    memory: float


def base(root: Path) -> None:
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "words"\nversion = "1"\n')
    (root / "words.py").write_text(STUB)
    (root / "test_words.py").write_text(TESTS)


def documents(root: Path, count: int) -> list[str]:
    """So many modules of two hundred lines; all of them are open."""
    names = [f"module_{number}.py" for number in range(count - 1)]
    for name in names:
        (root / name).write_text("".join(f"def f{line}(x):\n    return x + {line}\n\n\n" for line in range(50)))
    return names


def lines(root: Path, count: int) -> list[str]:
    """The target's file has so many lines, the stub near their end."""
    filler = "".join(f"def before_{n}(value):\n    # 🐦\n    return value * {n}\n\n\n" for n in range(count // 5))
    (root / "words.py").write_text(f"{filler}\n{STUB}", "utf-8")
    return []


def files(root: Path, count: int) -> list[str]:
    """So many files in the workspace, a hundred in a folder: every tenth is Python, every hundredth a test file."""
    for number in range(count):
        folder = root / f"part_{number // 100}"
        if number % 100 == 0:
            folder.mkdir()
            (folder / f"test_part_{number}.py").write_text("def test_nothing():\n    assert True\n")
        else:
            kind = "py" if number % 10 == 0 else "txt"
            (folder / f"file_{number}.{kind}").write_text(f"value_{number} = {number}\n")
    return []


def tests(root: Path, count: int) -> list[str]:
    """So many tests of the target."""
    more = "".join(f"def test_{n}():\n    assert slugify('A b{n}') == 'a-b{n}'\n\n\n" for n in range(count - 2))
    (root / "test_words.py").write_text(f"{TESTS}\n\n{more}")
    return []


KINDS: dict[str, Callable[[Path, int], list[str]]] = {
    "open documents": documents, "lines of one file": lines, "files": files, "tests": tests,
}  # fmt: skip


def took(folder: Path, sizes: dict[str, int], script: Callable[..., dict[str, str]]) -> Took:
    """Make a workspace of these sizes and work in it."""
    folder.mkdir()
    root = folder / "project"
    base(root)
    others = [name for kind, size in sizes.items() for name in KINDS[kind](root, size)]
    wire = Wire(root, script(GOOD))
    try:
        wire.initialize(CAPABILITIES, strategy="greedy", budget_seconds=600.0, test_timeout_seconds=60.0)
        for name in others:
            wire.open(name)
        uri = wire.open("words.py")
        text = (root / "words.py").read_text("utf-8")
        line = text[: text.index("def slugify")].count("\n")
        at = {"line": line, "character": 4}
        asked = {"textDocument": {"uri": uri}, "range": {"start": at, "end": at}, "context": {"diagnostics": []}}

        def timed(step: Callable[[], Any]) -> tuple[float, Any]:
            began = time.perf_counter()
            found = step()
            return time.perf_counter() - began, found

        first, answer = timed(lambda: wire.call("textDocument/codeAction", asked, 120))
        assert any("Generate" in action["title"] for action in answer["result"]), answer
        later = min(timed(lambda: wire.call("textDocument/codeAction", asked, 120))[0] for _ in range(5))

        def type_and_ask() -> None:
            end = {"line": line - 1, "character": 0}
            change = {"range": {"start": end, "end": end}, "text": " "}
            document = {"uri": uri, "version": 2}
            wire.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
            wire.call("textDocument/codeAction", asked, 120)

        typing, _ = timed(type_and_ask)
        place = {"uri": uri, "qualname": "slugify"}
        job, ended = timed(lambda: whole_job(wire, place))
        memory = psutil.Process(wire.process.pid).memory_info().rss / 2**20
        if ended["state"] == "passed":
            check_edit(wire, text)
        assert wire.close() == 0
        return Took(first, later, typing, job, ended, memory)
    finally:
        wire.kill()


def whole_job(wire: Wire, place: dict[str, Any]) -> dict[str, Any]:
    number = wire.command("greenfinch.implement", place)["job"]

    def ended() -> dict[str, Any] | None:
        jobs = wire.command("greenfinch.status")["jobs"]
        return next((each for each in jobs if each["job"] == number and each["state"] != "running"), None)

    wire.until(ended, 900)
    found = ended()
    assert found is not None
    return found


def check_edit(wire: Wire, text: str) -> None:
    """The edit that came puts the winner into the stub's place, and touches nothing else."""
    (asked,) = (each for each in wire.asked if each["method"] == "workspace/applyEdit")
    (change,) = asked["params"]["edit"]["documentChanges"][0]["edits"]
    starts = text.splitlines(keepends=True)
    line = text[: text.index("def slugify")].count("\n") - 1
    typed = "".join((*starts[:line], " ", *starts[line:]))
    start, end = (
        offset_at(typed, types.Position(**change["range"][key]), types.PositionEncodingKind.Utf16)
        for key in ("start", "end")
    )
    assert typed[:start] + change["newText"] + typed[end:] == typed.replace("    ...\n", GOOD, 1)
