"""How far a run can go before it knows the text under test, and its waiting there.

`runner` and `frameworks` name places on their way: `main` (nothing has been done yet), `conftest` (pytest has its
configuration and plug-ins, and is about to load the project's conftest files) and `collection` (it is about to load
the test files).  What comes before a place may be done ahead of time if it does not depend on the candidate.  That is
not assumed: a rehearsal, with the interpreter's audit hook laid on, notes whether anything of the project is touched
but files that are the same for every candidate.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import importlib
import inspect
import json
import os
import socket
import sys
from types import CodeType
from typing import Any

NOTES = ".pytest_cache"  # of the runs before, by which `frameworks` lets no test be chosen
PLACES = ("main", "conftest", "collection")
WRITES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod",
          "os.utime")  # fmt: skip
LEADS_OUT = ("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.spawn",
             "socket.connect", "socket.bind", "sqlite3.connect")  # fmt: skip


class Waiting:
    """Waits at one place until it is told what the run is for."""

    def __init__(self, place: str) -> None:
        self.place = place

    def begin(self, parent: socket.socket, request: dict[str, Any], channel: Any, cwd: str) -> None:
        """In the process that is going to run the tests.  `request` and `channel` are completed when it is told."""
        self._parent, self._request, self._channel, self._cwd = parent, request, channel, cwd

    def arrive(self, place: str) -> bool:
        """Called at each place; true if the run was told there what it is for."""
        if place != self.place:
            return False
        self.wait()
        return True

    def wait(self, **more: str) -> None:
        gc.freeze()  # what was made ahead of time is not looked through again during the run
        self._parent.sendall(json.dumps({"place": self.place, **more}).encode() + b"\n")
        with self._parent.makefile("rb") as lines:
            line = lines.readline()
        if not line:
            os._exit(1)
        self._parent.close()
        self._request.update(json.loads(line))
        self._channel.key = self._request.pop("key")
        os.chdir(self._cwd)  # which is another folder now: the workspace has been laid over it
        importlib.invalidate_caches()


class Rehearsal(Waiting):
    """Goes to the last place, and tells how far it came without touching the project.

    Args:
        fixed: files that may be read: another run will find the same in them.
    """

    def __init__(self, root: str, fixed: list[str]) -> None:
        super().__init__("main")
        self._root = root + os.sep
        self._fixed = frozenset(fixed)
        self._touched = ""

    def arrive(self, place: str) -> bool:
        if place == "main":
            sys.addaudithook(self.note)
        elif not self._touched:
            self.place = place
        if place != PLACES[-1] and not self._touched:
            return False
        self.wait(touched=self._touched)
        return True

    def note(self, event: str, args: tuple[Any, ...]) -> None:
        if self._touched:
            return
        if event == "open":
            self._touched = self.touched(*args)
        elif event in WRITES:
            self._touched = next(filter(None, map(self.inside, args[:2])), "")
        elif event in LEADS_OUT:
            self._touched = event

    def inside(self, path: Any) -> str:
        """The absolute path, if it lies in the project and was not installed there."""
        if isinstance(path, int) or path is None:
            return ""
        name = os.path.abspath(os.fsdecode(path))
        return name if name.startswith(self._root) and f"{os.sep}site-packages{os.sep}" not in name else ""

    def touched(self, path: Any, mode: Any, flags: Any) -> str:
        """What was opened, if it lies in the project and is not one of the fixed files, opened to be read."""
        name = self.inside(path)
        folder, file = os.path.split(name)
        source = name
        if os.path.basename(folder) == "__pycache__":  # the compiled form of a file, valid for that alone
            source = os.path.join(os.path.dirname(folder), file.partition(".")[0] + ".py")
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        is_same = source in self._fixed or f"{os.sep}{NOTES}{os.sep}" in name
        return name if writes or not is_same else ""


def keep_compiled(files: list[str]) -> None:
    """Compile test files as pytest would, once: they are read-only, and the same for every candidate.

    Does nothing where this pytest is not known to compile them by the functions used here.  Nothing of the project
    is run, and what is kept is used only for a file with exactly these bytes.
    """
    rewrite = sys.modules.get("_pytest.assertion.rewrite")
    ours = getattr(rewrite, "_rewrite_test", None)
    if rewrite is None or ours is None or list(inspect.signature(ours).parameters) != ["fn", "config"]:
        return
    compiled: dict[tuple[str, bytes], CodeType] = {}
    for file in files:
        try:
            with open(file, "rb") as handle:
                source = handle.read()
            tree = ast.parse(source, filename=file)
            rewrite.rewrite_asserts(tree, source, file, None)
            compiled[file, hashlib.sha256(source).digest()] = compile(tree, file, "exec", dont_inherit=True)
        except (OSError, SyntaxError, ValueError, TypeError, RecursionError):
            continue  # pytest will say what is wrong with it

    def rewrite_test(fn: Any, config: Any) -> Any:
        file = os.fspath(fn)
        if any(file == known for known, _ in compiled) and not config.getini("enable_assertion_pass_hook"):
            found = os.stat(file)
            with open(file, "rb") as handle:
                code = compiled.get((file, hashlib.sha256(handle.read()).digest()))
            if code is not None:
                return found, code
        return ours(fn, config)

    vars(rewrite)["_rewrite_test"] = rewrite_test
