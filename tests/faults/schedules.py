"""Schedules: random interleavings of what users, editors and machines do, against the real server process.

One example of the state machine is one server's life.  Its steps come in any order and at any time, in the midst of
jobs; how the server ends is part of the example.  After each step and after the end the invariants are looked at; see
`Window` for those about edits.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
from faults import leftovers
from faults.window import MODULE, NAMES, SEPARATORS, TESTS, Window, function_in, replies
from faults.wire import PATIENCE
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

PROFILES = sorted((Path(__file__).parents[1] / "lsp" / "profiles").glob("*.json"))
ENDINGS = ("shutdown", "settled", "exit", "terminated", "input closed", "killed")
MOODS = ("good", "mixed", "bad", "slow", "endless", "error")
CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    {}, {"candidates": 2}, {"candidates": -1}, {"strategy": "greedy"}, {"strategy": "full"}, {"confirm_edit": True},
    {"confirm_edit": False}, {"code_lens": True}, {"budget_seconds": 4.0}, {"no_such_setting": 1}, {"temperature": "x"},
)  # fmt: skip
_GONE_SECONDS = 60.0  # a busy machine; what promise 6 asks for is a second

tally: Counter[str] = Counter()


class Schedule(RuleBasedStateMachine):
    """One server's life."""

    @initialize(
        profile=st.sampled_from(PROFILES), hosted=st.booleans(), ending=st.sampled_from(ENDINGS),
        strategy=st.sampled_from(("greedy", "full", "best-of-n")), mood=st.sampled_from(MOODS),
    )  # fmt: skip
    def begin(self, profile: Path, hosted: bool, ending: str, strategy: str, mood: str) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="gf-"))
        self.root, self.temporary = self.base / "project", self.base / "tmp"
        self.root.mkdir()
        self.temporary.mkdir()
        (self.root / "words.py").write_text(MODULE, "utf-8")
        (self.root / "test_words.py").write_text(TESTS["-"])
        (self.root / "pyproject.toml").write_text('[project]\nname = "words"\nversion = "1"\n')
        self.mark, self.ending, self.mood = uuid.uuid4().hex, ending, mood
        self.killed = False
        self.script = self.base / "script.json"
        self.host: subprocess.Popen[bytes] | None = None
        environment = {
            leftovers.MARK: self.mark, "TMPDIR": str(self.temporary), "XDG_RUNTIME_DIR": str(self.base / "run"),
            "GREENFINCH_RUNS": str(self.base / "runs"), "GREENFINCH_BUDGET_SECONDS": "12",
        }  # fmt: skip
        if hosted:
            self.port = _free_port()
            environment["GREENFINCH_ENDPOINT"] = f"http://127.0.0.1:{self.port}/v1"
        else:
            environment["GREENFINCH_SCRIPT"] = str(self.script)
        self.window = Window(self.root)
        self.write_script(mood)
        self.hosted = hosted
        if hosted:
            self.start_host()
        options = {"python": sys.executable, "strategy": strategy, "candidates": 3, "status_notifications": True}
        self.window.start(environment, json.loads(profile.read_text("utf-8")), **options)
        self.window.open("words.py")
        tally["servers"] += 1

    # -- documents

    @rule(name=st.sampled_from(("words.py", "test_words.py")))
    def open_or_close(self, name: str) -> None:
        if self.window.uri(name) in self.window.texts:
            self.window.close(name, save=True)
        else:
            self.window.open(name)

    @precondition(lambda self: self.is_open)
    @rule()
    def type_elsewhere(self) -> None:
        with self.window.lock:
            end = len(self.window.text("words.py"))
            self.window.change("words.py", end, end, f"# {end} 🐦\n")

    @precondition(lambda self: self.is_open)
    @rule(name=st.sampled_from(NAMES))
    def type_into_target(self, name: str) -> None:
        with self.window.lock:
            text = self.window.text("words.py")
            start, _, _ = function_in(text, name)
            self.window.change("words.py", start, start, f"    # mine, {len(text)}\n")

    @precondition(lambda self: self.is_open)
    @rule()
    def begin_anew(self) -> None:
        self.window.replace_all("words.py", MODULE)

    @rule(separator=st.sampled_from(SEPARATORS))
    def change_tests(self, separator: str) -> None:
        if self.window.uri("test_words.py") not in self.window.texts:
            self.window.open("test_words.py")
        if self.window.text("test_words.py") != TESTS[separator]:
            self.window.replace_all("test_words.py", TESTS[separator])

    @rule(name=st.sampled_from(("words.py", "test_words.py")))
    def save(self, name: str) -> None:
        if self.window.uri(name) in self.window.texts:
            self.window.save(name)

    # -- commands

    @rule(name=st.sampled_from(NAMES[:2]), again=st.booleans())
    def implement(self, name: str, again: bool) -> None:
        """`again`: without a look whether a job is at work there."""
        for _ in range(1 + again):
            self.window.start_job(name, "greenfinch.implement", self.window.place(name))

    @rule(names=st.sampled_from((("slugify",), ("twice",), ("slugify", "twice"))))
    def implement_with_prospects(self, names: tuple[str, ...]) -> None:
        """On stubs, with a model that knows the answer: what comes next meets jobs that come to their end."""
        self.write_script("good")
        if self.is_open:
            self.begin_anew()
        for name in names:
            self.window.start_job(name, "greenfinch.implement", self.window.place(name))

    @rule(names=st.sampled_from((("slugify",), ("twice",), ("slugify", "twice"))))
    def implement_to_the_end(self, names: tuple[str, ...]) -> None:
        self.implement_with_prospects(names)
        self.window.mood = "apply" if self.window.mood == "never" else self.window.mood
        self.wait_for_a_job()

    @rule(name=st.sampled_from(NAMES))
    def implement_what_may_not_be_possible(self, name: str) -> None:
        place = {"uri": self.window.uri("words.py"), "position": {"line": 18, "character": 4}, "version": 2}
        chosen = place if name == "twice" else self.window.place(name)
        self.window.start_job(name, "greenfinch.implement", chosen)

    @rule(name=st.sampled_from(NAMES))
    def reapply(self, name: str) -> None:
        self.window.start_job(name, "greenfinch.reapply", self.window.place(name))

    @rule(name=st.sampled_from((*NAMES, "")))
    def cancel(self, name: str) -> None:
        chosen = [self.window.place(name)] if name else []
        self.window.cancelled |= set(self.window.command("greenfinch.cancel", *chosen)["cancelled"])

    @rule()
    def cancel_in_the_progress_display(self) -> None:
        tokens = [each["params"]["token"] for each in self.window.wire.notes if each["method"] == "$/progress"]
        self.window.wire.notify("window/workDoneProgress/cancel", {"token": tokens[-1] if tokens else "none"})

    @rule(line=st.integers(0, 25))
    def ask_for_code_actions(self, line: int) -> None:
        span = {"line": line, "character": 4}
        document = {"uri": self.window.uri("words.py")}
        params = {"textDocument": document, "range": {"start": span, "end": span}, "context": {"diagnostics": []}}
        found = self.window.wire.call("textDocument/codeAction", params)
        assert "error" not in found, found

    @rule()
    def look(self) -> None:
        self.window.look()

    # -- the editor

    @rule(values=st.sampled_from(CONFIGURATIONS))
    def configure(self, values: dict[str, Any]) -> None:
        self.window.configuration = values
        self.window.wire.notify("workspace/didChangeConfiguration", {"settings": {"greenfinch": values}})

    @rule(mood=st.sampled_from(("apply", "apply", "apply", "refuse", "error", "never", "cross")))
    def answer_edits(self, mood: str) -> None:
        self.window.mood = mood

    @rule(silent=st.sampled_from(((), (), ("window/workDoneProgress/create",), ("window/showDocument",))))
    def never_answer(self, silent: tuple[str, ...]) -> None:
        self.window.silent = silent

    # -- the machine

    @rule(mood=st.sampled_from(MOODS))
    def write_script(self, mood: str) -> None:
        self.mood = mood
        fresh = self.script.with_suffix(".new")
        fresh.write_text(json.dumps({"replies": replies(mood, self.window.separators[-1])}))
        fresh.replace(self.script)

    @precondition(lambda self: self.hosted)
    @rule()
    def kill_or_start_host(self) -> None:
        if self.host is None:
            self.start_host()
        else:
            self.end_host()
            tally["hosts killed"] += 1

    @rule(which=st.integers(0, 5))
    def kill_runner(self, which: int) -> None:
        found = psutil.Process(self.window.wire.process.pid).children(recursive=True)
        if found:
            try:
                found[which % len(found)].kill()
                tally["runners killed"] += 1
            except psutil.NoSuchProcess:
                return

    @rule(seconds=st.sampled_from((0.01, 0.1, 0.3)))
    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    @precondition(lambda self: self.mood != "endless" and self.window.mood != "never")
    @rule()
    def wait_for_a_job(self) -> None:
        begun = set(self.window.look())
        end = time.monotonic() + 6
        while begun and begun <= set(self.window.look()) and time.monotonic() < end:
            time.sleep(0.05)

    # -- what holds

    @property
    def is_open(self) -> bool:
        return self.window.uri("words.py") in self.window.texts

    @invariant()
    def nothing_is_wrong(self) -> None:
        tally["steps"] += 1
        assert self.window.wrong == []
        log = self.window.wire.log.read_text("utf-8", "replace")
        assert leftovers.wrong_lines(log) == [], log
        assert self.window.wire.process.poll() is None, f"the server has ended: {log}"

    def teardown(self) -> None:
        if not hasattr(self, "window"):
            return
        try:
            if hasattr(self.window, "wire"):
                self.end_and_check()
        finally:
            if hasattr(self.window, "wire"):
                self.window.wire.kill()
            self.end_host()
            for process in leftovers.marked(self.mark):
                process.kill()
            shutil.rmtree(self.base, ignore_errors=True)

    def end_and_check(self) -> None:
        window, wire = self.window, self.window.wire
        tally[f"ended: {self.ending}"] += 1
        if self.ending == "settled":
            window.mood = "refuse" if window.mood == "never" else window.mood
            self.write_script("good")
            end = time.monotonic() + 2 * PATIENCE
            while running := window.look():
                if time.monotonic() > end:
                    raise AssertionError(f"jobs {running} do not end")
                if time.monotonic() > end - PATIENCE:
                    window.command("greenfinch.cancel")
                time.sleep(0.05)
        before = (self.root / "words.py").read_text("utf-8"), (self.root / "test_words.py").read_text("utf-8")
        status = self.end()
        left = leftovers.gone(lambda: list(leftovers.marked(self.mark)), _GONE_SECONDS)
        assert left == [], f"after {self.ending}: {left}"
        log = wire.log.read_text("utf-8", "replace")
        assert leftovers.wrong_lines(log) == [], log
        assert leftovers.sockets(self.base) == []
        assert leftovers.held_locks(self.base) == []
        assert (self.root / "words.py").read_text("utf-8") == before[0]
        assert (self.root / "test_words.py").read_text("utf-8") == before[1]
        assert sorted(path.name for path in self.root.iterdir()) == ["pyproject.toml", "test_words.py", "words.py"]
        if self.ending != "killed":
            assert list(self.temporary.iterdir()) == []
            assert leftovers.without_one_end(self.base / "runs") == []
            assert status == (0 if self.ending in ("shutdown", "settled") else 1), (self.ending, status)
        window.check_proofs(self.base / "runs")
        if self.ending == "settled":
            self.check_progress()
        assert window.wrong == []
        for job in window.jobs.values():
            tally[f"jobs: {job['state']}"] += 1
        tally["edits"] += len(window.edits)
        tally["edits applied"] += window.seen["applied"]
        tally["edits crossed"] += window.seen["crossed"]
        tally["commands refused"] += window.seen["refused"]

    def end(self) -> int | None:
        wire = self.window.wire
        if self.ending in ("shutdown", "settled"):
            return wire.close()
        if self.ending == "exit":
            wire.notify("exit", None)
        elif self.ending == "terminated":
            wire.process.send_signal(signal.SIGTERM)
        elif self.ending == "input closed":
            wire.hang_up()
        else:
            wire.process.kill()
        return wire.process.wait(PATIENCE)

    def check_progress(self) -> None:
        """Each display that was begun was ended, once, and told nothing afterwards."""
        displays: dict[str, list[str]] = {}
        for note in self.window.wire.notes:
            if note["method"] == "$/progress":
                displays.setdefault(note["params"]["token"], []).append(note["params"]["value"]["kind"])
        for token, kinds in displays.items():
            assert kinds[0] == "begin" and kinds[-1] == "end", (token, kinds)
            assert set(kinds[1:-1]) <= {"report"}, (token, kinds)

    # -- the host

    def start_host(self) -> None:
        program = Path(__file__).with_name("scripted_host.py")
        self.host = subprocess.Popen([sys.executable, "-I", "-S", str(program), str(self.port), str(self.script)])

    def end_host(self) -> None:
        if self.host is not None:
            self.host.kill()
            self.host.wait()
            self.host = None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
