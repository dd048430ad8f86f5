"""A day's use, in little: rounds of mixed work against one server, and what the server holds between them.

The server tells of itself by a command that only exists here: its tasks, futures, tokens, threads, open files, memory.
Threads that wait in anyio's pool are not counted: there are as many of them as ever worked at once.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.wire import Wire, accept
from lsp.projects import BAD, GOOD, STUB

SERVE = """
import asyncio, gc, os, sys, threading
import psutil
from anyio._backends._asyncio import _threadpool_idle_workers as idle
from lsp_server import server as module
made = module.create_server

def create(*arguments):
    server = made(*arguments)

    @server.command("faults.census")
    def census(*_):
        gc.collect()
        protocol = server.protocol
        return {
            "tasks": len(asyncio.all_tasks()), "threads": threading.active_count() - len(idle.get()),
            "futures": len(protocol._request_futures) + len(protocol._result_types),
            "tokens": len(protocol.progress.tokens), "files": len(os.listdir("/proc/self/fd")),
            "children": len(psutil.Process().children()), "objects": len(gc.get_objects()),
            "MiB": psutil.Process().memory_info().rss / 2**20,
        }

    return server

module.create_server = create
from lsp_server.cli import serve
serve(sys.argv[1:], prog_name="greenfinch serve")
"""
SERVER = (sys.executable, "-P", "-c", SERVE, "--client-timeout", "1")
CAPABILITIES = {
    "workspace": {"applyEdit": True, "configuration": True, "workspaceEdit": {"documentChanges": True}},
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
    "textDocument": {"codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": []}}}},
}
COUNTED = ("tasks", "threads", "futures", "tokens", "files", "children")


@dataclass
class Soak:
    """One server under work.

    Attributes:
        censuses: taken when no job was at work, one after each round.
        actions: milliseconds that each request for code actions took.
    """

    root: Path
    script: Callable[..., dict[str, str]]
    censuses: list[dict[str, float]] = field(default_factory=list)
    actions: list[float] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)
    mood: str = "apply"
    version: int = 1

    def __post_init__(self) -> None:
        self.wire = Wire(self.root, self.script(GOOD), self._answer, command=SERVER)
        self.wire.initialize(CAPABILITIES, strategy="greedy", candidates=2, status_notifications=True)
        self.uri = self.wire.open("words.py")

    def _answer(self, message: dict[str, Any]) -> dict[str, Any] | None:
        if message["method"] == "workspace/applyEdit":
            return {"result": {"applied": self.mood == "apply"}} if self.mood != "never" else None
        return accept(message)

    def until(self, end: float) -> None:
        """Rounds until that time (`time.monotonic`), two at least."""
        while len(self.censuses) < 2 or time.monotonic() < end:
            self.round()

    def round(self) -> None:
        """A little of everything."""
        wire = self.wire
        self.mood = "apply"
        self.script(GOOD)
        self.work("slugify")
        self.ask_for_actions(20)
        self.script(BAD)
        self.work("slugify")
        wire.command("greenfinch.showReport")
        self.script({"text": "    x = 1\n", "repeat": True, "delay_per_token": 0.002})
        self.work("slugify", cancel=True)
        self.script(GOOD)
        self.mood = "refuse" if len(self.censuses) % 2 else "never"
        self.work("slugify")
        self.mood = "apply"
        self.work("slugify", "greenfinch.reapply")
        self.script({"error": "out of order"})
        self.work("slugify")
        self.open_and_close()
        wire.notify("workspace/didChangeConfiguration", {"settings": {"greenfinch": {"candidates": 2}}})
        wire.notify("window/workDoneProgress/cancel", {"token": f"unheard of {self.version}"})
        wire.notify("$/cancelRequest", {"id": "unheard of"})
        self.censuses.append(self.settled())
        del wire.notes[:], wire.asked[:]
        wire.answers.clear()

    def settled(self) -> dict[str, float]:
        """A census; what is just being finished has a moment to end, and only what stays is counted."""
        for _ in range(20):
            time.sleep(0.05)
            census: dict[str, float] = self.wire.command("faults.census")
            if all(any(census[name] <= each[name] for each in self.censuses) for name in COUNTED):
                break
        return census

    def work(self, name: str, command: str = "greenfinch.implement", *, cancel: bool = False) -> None:
        self.type()
        number = self.wire.command(command, {"uri": self.uri, "qualname": name})["job"]
        if number is None:
            self.ended["refused"] = self.ended.get("refused", 0) + 1
            return
        if cancel:
            time.sleep(0.4)
            self.wire.command("greenfinch.cancel", {"job": number})
        job: dict[str, Any] = {"state": "running"}
        while job["state"] == "running":
            (job,) = self.wire.command("greenfinch.status", {"job": number})["jobs"]
            time.sleep(0.02)
        self.ended[job["state"]] = self.ended.get(job["state"], 0) + 1

    def type(self) -> None:
        """The whole text anew, with another comment at its end."""
        self.version += 1
        document = {"uri": self.uri, "version": self.version}
        text = f"{STUB}# {self.version}\n"
        self.wire.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})

    def ask_for_actions(self, count: int) -> None:
        at = {"line": 3, "character": 4}
        for _ in range(count):
            began = time.perf_counter()
            asked = {
                "textDocument": {"uri": self.uri},
                "range": {"start": at, "end": at},
                "context": {"diagnostics": []},
            }
            answer = self.wire.call("textDocument/codeAction", asked)
            self.actions.append(1000 * (time.perf_counter() - began))
            assert answer["result"], answer

    def open_and_close(self) -> None:
        for number in range(5):
            item = {"languageId": "python", "version": 1, "text": STUB, "uri": (self.root / f"n{number}.py").as_uri()}
            self.wire.notify("textDocument/didOpen", {"textDocument": item})
            self.wire.notify("textDocument/didClose", {"textDocument": {"uri": item["uri"]}})

    # -- what came of it

    def grown(self) -> dict[str, tuple[float, float]]:
        """What the server always held more of in the second half of its rounds than ever in the first."""
        half = max(1, len(self.censuses) // 2)
        early, late = self.censuses[:half], self.censuses[half:]
        pairs = {name: (max(each[name] for each in early), min(each[name] for each in late)) for name in COUNTED}
        return {name: pair for name, pair in pairs.items() if pair[1] > pair[0]}

    def account(self) -> str:
        first, last = self.censuses[len(self.censuses) // 4], self.censuses[-1]
        fifth = max(1, len(self.actions) // 5)
        early, late = statistics.median(self.actions[:fifth]), statistics.median(self.actions[-fifth:])
        lines = [f"{len(self.censuses)} rounds, jobs {self.ended}, {len(self.actions)} requests for code actions"]
        lines += [f"{name:>10}: {first[name]:10,.1f} after a quarter, {last[name]:10,.1f} at the end" for name in first]
        lines.append(f"code actions: {early:.2f} ms early, {late:.2f} ms late, ratio {late / early:.2f}")
        return "\n".join(lines)
