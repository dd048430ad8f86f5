"""Run tests in the user's interpreter and tell what each did (standard library alone, CPython 3.9 and later).

Run as `python runner.py`.  stdin holds one line, the request; stdout takes the results, one JSON object a line, each
with the request's `key` in it, and is moved out of the way before any code of the user runs: what tests print goes to
stderr.  `frameworks` knows how pytest and unittest are driven; this file knows requests, results, and the probe.

Request: framework, files (relative to the working folder), tests (ids to run; empty: all), names `targets` and
`stubs`, root (relative too), args, doctests (names of functions whose examples are the tests),
 stop_at_first_failure, key.
Results: {"kind": "test" | "collection" | "end", ...}.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from types import CodeType, FrameType, TracebackType
from typing import Any, NoReturn, Optional

LONGEST_DETAIL = 4000
LONGEST_MESSAGE = 300
MOST_FRAMES = 40
MOST_LOADED = 5000

Names = dict[str, None]  # a set that keeps its order


class Channel:
    """Where results go: a descriptor that no child process inherits."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._descriptor = os.dup(1)  # not inheritable
        os.dup2(2, 1)

    def tell(self, kind: str, **what: Any) -> None:
        line = json.dumps({"kind": kind, "key": self._key, **what}).encode("ascii") + b"\n"
        while line:
            line = line[os.write(self._descriptor, line) :]


class Reach:
    """The probe: which instrumented functions ran, and which stubs a test called by itself.

    Instrumented texts call `__greenfinch_reached__(name)` first in each function of interest.  A stub counts as called
    by the test itself if no target is on the stack below it.
    """

    def __init__(self, targets: list[str], stubs: list[str]) -> None:
        self._targets = set(targets)
        self._stubs = set(stubs) - self._targets
        self._target_codes: set[CodeType] = set()
        self.reached: Names = {}
        self.blocked: Names = {}

    def __call__(self, name: str) -> None:
        caller = sys._getframe(1)
        if name in self._targets:
            self._target_codes.add(caller.f_code)
        self.reached[name] = None
        if name in self._stubs and not self._inside_target(caller):
            self.blocked[name] = None

    def _inside_target(self, frame: Optional[FrameType]) -> bool:
        while frame is not None:
            if frame.f_code in self._target_codes:
                return True
            frame = frame.f_back
        return False

    def take(self) -> tuple[Names, Names]:
        """What happened since the last call."""
        taken = (self.reached, self.blocked)
        self.reached, self.blocked = {}, {}
        return taken


class Reporter:
    """Tells results, each once per test, in the order in which they end."""

    def __init__(self, channel: Channel, request: dict[str, Any], reach: Reach) -> None:
        self._channel = channel
        self._root = request["root"]
        self.reach = reach
        self.count = 0

    def test(self, test_id: str, outcome: str, seconds: float, reached: Names, blocked: Names,
             failure: Optional[Failure] = None) -> None:  # fmt: skip
        failure = failure or Failure()
        self.count += 1
        self._channel.tell(
            "test", id=test_id, outcome=outcome, seconds=seconds, message=failure.message, detail=failure.detail,
            frames=failure.frames_in(self._root), reached=list(reached), blocked_by=list(blocked),
        )  # fmt: skip

    def collection(self, file: str, tests: list[str], reached: Names, blocked: Names, message: str = "",
                   detail: str = "") -> None:  # fmt: skip
        """What a file held, or, with a message, why it could not be loaded."""
        self._channel.tell("collection", file=file, tests=tests, message=bounded(message, LONGEST_MESSAGE),
                           detail=bounded(detail, LONGEST_DETAIL), reached=list(reached),
                           blocked_by=list(blocked))  # fmt: skip

    def end(self, status: int) -> NoReturn:
        """All is told: leave at once, without what plug-ins and `atexit` still have in mind."""
        self._channel.tell("end", status=status, count=self.count, loaded=loaded_files(self._root))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


class Failure:
    """One failure: a line, a bounded text, and where it happened."""

    def __init__(self, message: str = "", detail: str = "", trace: Optional[TracebackType] = None) -> None:
        self.message = bounded(message.strip().partition("\n")[0], LONGEST_MESSAGE)
        self.detail = bounded(detail, LONGEST_DETAIL)
        self._trace = trace

    @classmethod
    def of(cls, error: BaseException, trace: Optional[TracebackType]) -> Failure:
        message = "".join(traceback.format_exception_only(type(error), error))
        return cls(message, "".join(traceback.format_exception(type(error), error, trace)), trace)

    def frames_in(self, root: str) -> list[tuple[str, int]]:
        """(path, line) of the frames inside `root`, with paths relative to it, outermost first; the innermost ones
        if there are too many.
        """
        frames = [(below(frame.f_code.co_filename, root), line) for frame, line in traceback.walk_tb(self._trace)]
        return [(path, line) for path, line in frames if path][-MOST_FRAMES:]


def below(path: str, root: str) -> str:
    """The path relative to `root`, with slashes; empty if it does not lie there."""
    return path[len(root) + 1 :].replace(os.sep, "/") if path.startswith(root + os.sep) else ""


def loaded_files(root: str) -> list[str]:
    """The workspace's own files that were imported, relative to it."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    relative = {below(os.path.abspath(file), root) for file in files if isinstance(file, str)}
    return sorted(path for path in relative if path and "/site-packages/" not in path)[:MOST_LOADED]


def bounded(text: str, most: int) -> str:
    """The text, its middle left out if it is longer than `most` characters."""
    return text if len(text) <= most else text[: most // 3] + "\n[...]\n" + text[-(most - most // 3) :]


def main() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    request: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    channel = Channel(request.pop("key"))
    request["root"] = os.path.abspath(request["root"])
    reach = Reach(request["targets"], request["stubs"])
    import builtins

    builtins.__greenfinch_reached__ = reach  # type: ignore[attr-defined]  # it is put there
    reporter = Reporter(channel, request, reach)

    # What `python -m pytest` and `python -m unittest` do; a src folder last, for projects that are not installed.
    sys.path.insert(0, os.getcwd())
    for source in (os.path.join(os.getcwd(), "src"), os.path.join(request["root"], "src")):
        if os.path.isdir(source) and source not in sys.path:
            sys.path.append(source)
    sys.argv[:] = [request["framework"]]

    drivers = {"__file__": os.path.join(here, "frameworks.py"), "__name__": "greenfinch_frameworks"}
    with open(drivers["__file__"], encoding="utf-8") as source_file:
        code = compile(source_file.read(), drivers["__file__"], "exec")
    exec(code, drivers)  # noqa: S102 - our own file; importing it would leave a trace in sys.modules
    driver: Any = drivers[f"run_{request['framework']}"]
    reporter.end(driver(request, reporter, Failure))


if __name__ == "__main__":
    main()
