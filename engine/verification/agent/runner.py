"""Run tests in the user's interpreter and tell what each did (standard library alone, CPython 3.9 and later).

Run as `python runner.py`.  stdin holds one line, the request; stdout takes the results, one JSON object a line, each
with the request's `key` in it, and is moved out of the way before any code of the user runs: what tests print goes to
stderr.  `frameworks` knows how pytest and unittest are driven; this file knows requests, results, and the probe.

Request: framework, files (relative to the working folder), tests (ids to run; empty: all), names `targets` and
`stubs`, root (relative too), args, doctests (names of functions whose examples are the tests), target (its file,
relative to root), limits (seconds by test id), limit (seconds of other tests; 0: none), stop_at_first_failure,
decoys (names of tests to plant, which must fail), split (see `remote`),
audit (whether to note what `audit` looks for), key.
Results: {"kind": "start" | "test" | "collection" | "end", ...}.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from types import CodeType, FrameType, ModuleType, TracebackType
from typing import Any, NoReturn, Optional

LONGEST_DETAIL = 4000
LONGEST_MESSAGE = 300
MOST_DETAILED = 20  # failures; of those that come after them only the message and the place are told
MOST_IDS = 200  # tests of a file in one result
MOST_FRAMES = 40
MOST_LOADED = 5000

Names = dict[str, None]  # a set that keeps its order
Pause = Callable[[str], bool]

_loaded: dict[str, ModuleType] = {}


# As they were before any code of the user: what replaces `os.write` or a part of `json` later replaces nothing here.
_write = os.write
_quoted = json.encoder.encode_basestring_ascii


def encoded(value: Any) -> str:
    """JSON of results: of texts, numbers, lists and dictionaries, and no subclass of these."""
    kind = type(value)
    if kind is dict:
        return "{" + ", ".join([f"{_quoted(str(name))}: {encoded(item)}" for name, item in value.items()]) + "}"
    if kind is list or kind is tuple:
        return "[" + ", ".join([encoded(item) for item in value]) + "]"
    if kind is int:
        return int.__repr__(value)
    if kind is float:
        return float.__repr__(value) if -1e300 < value < 1e300 else "0.0"
    if value is None or kind is bool:
        return {None: "null", True: "true", False: "false"}[value]
    return _quoted(value if kind is str else str(value))


class Channel:
    """Where results go: a descriptor that no child process inherits."""

    def __init__(self, key: str, descriptor: int) -> None:
        self.key = key
        self._descriptor = descriptor

    def tell(self, kind: str, **what: Any) -> None:
        line = encoded({"kind": kind, "key": self.key, **what}).encode("ascii") + b"\n"
        while line:
            line = line[_write(self._descriptor, line) :]


class Reach:
    """The probe: which instrumented functions ran, and which stubs a test called by itself.

    Instrumented texts call `__greenfinch_reached__(name)` first in each function of interest.  A stub counts as called
    by the test itself if no target is on the stack below it.  In a process that a test starts they write the name to
    the file that the environment names.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._file = ""
        self._read = 0
        self.expect([], [])

    def expect(self, targets: list[str], stubs: list[str]) -> None:
        """What is to be told from now on."""
        if targets:
            self._file = os.path.join(os.environ.get("TMPDIR") or "/tmp", f".reached-{self._process}")
            os.environ["GREENFINCH_REACHED"] = self._file
        self._targets = set(targets)
        self._stubs = set(stubs) - self._targets
        self._target_codes: set[CodeType] = set()
        self.reached: Names = {}
        self.blocked: Names = {}

    def __call__(self, name: str) -> None:
        if os.getpid() != self._process:  # forked by the test
            with open(self._file, "a", encoding="utf-8") as handle:
                handle.write(name + "\n")
            return
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
        self._read_file()
        taken = (self.reached, self.blocked)
        self.reached, self.blocked = {}, {}
        return taken

    def _read_file(self) -> None:
        """What other processes reached."""
        try:
            if self._file and os.stat(self._file).st_size > self._read:
                with open(self._file, "rb") as handle:
                    handle.seek(self._read)
                    told = handle.read(65536)
                self._read += len(told)
                for name in told.decode("utf-8", "replace").split("\n"):
                    if name in self._targets or name in self._stubs:
                        self.reached[name] = None
        except OSError:
            return  # nothing was written


class Reporter:
    """Tells results, each once per test, in the order in which they end."""

    def __init__(self, channel: Channel, request: dict[str, Any], reach: Reach, timer: Any) -> None:
        self._channel = channel
        self._root = request["root"]
        self._target = request["target"]
        self._tells_modules = bool(request.get("modules"))
        self.reach = reach
        self.timer = timer
        self.remote = load("remote.py").prepare(load, request) if request.get("split") else None
        self.audit = load("audit.py").Audit(request) if request.get("audit") else None
        self.count = 0
        self._detailed = 0
        self._copies: dict[str, tuple[str, str, bool]] = {}

    def start(self, name: str) -> None:
        """A test, or the loading of a file, begins: what is to be named if nothing more is heard."""
        if not self._copies:  # as the first test finds it: a test may write over the file
            self._look_for_copies()
        if self.remote is not None:
            self.remote.begin(name)
        self._channel.tell("start", id=name)

    def _look_for_copies(self) -> None:
        for copy in copies_of(self._target, self._root):
            self._copies.setdefault(copy[0], copy)

    @property
    def is_brief(self) -> bool:
        """Whether so many failures were told in full that no further one has to be."""
        return self._detailed >= MOST_DETAILED

    def test(self, test_id: str, outcome: str, seconds: float, reached: Names, blocked: Names,
             failure: Optional[Failure] = None) -> None:  # fmt: skip
        failure = failure or Failure()
        detail = "" if self.is_brief else failure.detail
        self.count += 1
        self._detailed += bool(detail)
        self._channel.tell(
            "test", id=test_id, outcome=outcome, seconds=seconds, message=failure.message, detail=detail,
            frames=failure.frames_in(self._root), reached=list(reached), blocked_by=list(blocked),
        )  # fmt: skip

    def collection(self, file: str, tests: list[str], reached: Names, blocked: Names, message: str = "",
                   detail: str = "") -> None:  # fmt: skip
        """What a file held, in as many results as that takes, or, with a message, why it could not be loaded."""
        for start in range(0, len(tests) or 1, MOST_IDS):
            some = tests[start : start + MOST_IDS]
            self._channel.tell("collection", file=file, tests=some, message=bounded(message, LONGEST_MESSAGE),
                               detail=bounded(detail, LONGEST_DETAIL), reached=list(reached),
                               blocked_by=list(blocked))  # fmt: skip

    def end(self, status: int) -> NoReturn:
        """All is told: leave at once, without what plug-ins and `atexit` still have in mind."""
        self._look_for_copies()
        more: dict[str, Any] = {"split": self.remote.told(load)} if self.remote else {}
        more["seen"] = self.audit.notes if self.audit else []
        self._channel.tell("end", status=status, count=self.count, loaded=loaded_files(self._root),
                           copies=list(self._copies.values()),
                           modules=foreign_modules(self._root) if self._tells_modules else [], **more)  # fmt: skip
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
    relative = {below(plain(file), root) for file in files if isinstance(file, str)}
    return sorted(path for path in relative if path and "/site-packages/" not in path)[:MOST_LOADED]


def plain(file: str) -> str:
    """`os.path.abspath`, which takes long for a thousand files that are absolute already."""
    return file if file.startswith(os.sep) and os.pardir not in file else os.path.abspath(file)


def foreign_modules(root: str) -> list[str]:
    """Names of the modules that came with Python or were installed, in the order of their loading."""
    library = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and is_foreign(plain(file), root, library):
            found.append(name)
    return [name for name in found if not name.startswith(("__", "greenfinch_"))][:MOST_LOADED]


def is_foreign(file: str, root: str, library: str) -> bool:
    parts = file.split(os.sep)
    if "site-packages" in parts or "dist-packages" in parts:
        return True
    return file.startswith(library) and not below(file, root)


def copies_of(target: str, root: str) -> list[tuple[str, str, bool]]:
    """What was loaded as the target's module: (file, SHA-256 of its source, whether it is the target's file)."""
    if not target:
        return []
    own = os.path.realpath(os.path.join(root, target))
    parts = target.rpartition(".")[0].split("/")
    if parts[-1] == "__init__":
        parts.pop()
    dotted = ".".join(parts)
    package = len(parts) - 1
    while package > 0 and os.path.isfile(os.path.join(root, *parts[:package], "__init__.py")):
        package -= 1
    base = os.path.basename(own)
    least = ".".join(parts[package:])  # the shortest name that it can be imported by as what it is
    found = {}
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        file = getattr(module, "__file__", None) or getattr(spec, "origin", None)
        if not isinstance(file, str) or not file.endswith(base) or os.path.basename(file) != base:
            continue
        same_name = ("." + name).endswith("." + least) and ("." + dotted).endswith("." + name)
        is_own = os.path.realpath(file) == own
        if is_own or same_name:
            found[os.path.abspath(file)] = (source_hash(file, getattr(spec, "loader", None)), is_own)
    return sorted((file, *told) for file, told in found.items())


def source_hash(file: str, loader: Any) -> str:
    """Empty if the source cannot be read."""
    import hashlib

    try:
        if hasattr(loader, "get_data"):
            return hashlib.sha256(loader.get_data(file)).hexdigest()
        with open(file, "rb") as handle:
            return hashlib.sha256(handle.read()).hexdigest()
    except (OSError, ValueError):
        return ""


def bounded(text: str, most: int) -> str:
    """The text, its middle left out if it is longer than `most` characters."""
    return text if len(text) <= most else text[: most // 3] + "\n[...]\n" + text[-(most - most // 3) :]


def load(name: str) -> ModuleType:
    """Another file of the agent; importing it would leave a trace in `sys.modules`, and need a name there."""
    if name in _loaded:
        return _loaded[name]
    module = _loaded[name] = ModuleType(f"greenfinch_{name.partition('.')[0]}")
    module.__file__ = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    with open(module.__file__, encoding="utf-8") as file:
        exec(compile(file.read(), module.__file__, "exec"), module.__dict__)  # noqa: S102 - our own file
    return module


def main() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    request: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    descriptor = os.dup(1)  # not inheritable
    os.dup2(2, 1)
    run(request, Channel(request.pop("key"), descriptor), lambda place: place == "main")


def run(request: dict[str, Any], channel: Channel, pause: Pause) -> NoReturn:
    """Run the tests.

    Args:
        pause: called with the name of each place where a run may wait until it is told what it is for (see `warm`);
            true if it is told there.
    """
    request["root"] = os.path.abspath(request["root"])
    reach = Reach()
    import builtins

    builtins.__greenfinch_reached__ = reach  # type: ignore[attr-defined]  # it is put there
    timer = load("timer.py").Timer()
    reporter = Reporter(channel, request, reach, timer)

    def arrive(place: str) -> None:
        if pause(place):
            reach.expect(request["targets"], request["stubs"])
            timer.expect(request["limits"], request["limit"])
            request["tests"] = frozenset(request["tests"])

    # What `python -m pytest` and `python -m unittest` do; a src folder last, for projects that are not installed.
    sys.path.insert(0, os.getcwd())
    for source in (os.path.join(os.getcwd(), "src"), os.path.join(request["root"], "src")):
        if os.path.isdir(source) and source not in sys.path:
            sys.path.append(source)
    sys.argv[:] = [request["framework"]]

    request["load"] = load
    request["arrive"] = arrive
    arrive("main")
    reporter.end(getattr(load("frameworks.py"), f"run_{request['framework']}")(request, reporter, Failure))


if __name__ == "__main__":
    main()
