"""Notes what the target does that its syntax tree may hide (standard library alone, CPython 3.9+).

The interpreter tells audit hooks of every access that leads from a function to its callers' frames, whatever the name
was computed from, and of every file that is opened.  What the target's own code does of that is told with the results;
what pytest and the standard library do is not.
"""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Any, Optional

MOST_FRAMES = 60
FRAMES = frozenset({"gi_frame", "cr_frame", "ag_frame", "tb_frame", "f_code"})
LOOKING = frozenset({"sys._getframe", "sys._getframemodulename", "sys._current_frames", "sys._current_exceptions",
                     "sys.settrace", "sys.setprofile", "gc.get_objects", "gc.get_referrers",
                     "gc.get_referents"})  # fmt: skip
GUIDES = tuple(os.path.join(os.path.dirname(os.__file__), name) for name in ("inspect.py", "traceback.py"))
TRACEBACK = GUIDES[1]
# What shows an error that was caught: its own frames, which lie below the function that caught it.
SHOWING = frozenset({"format_exc", "format_exception", "print_exc", "print_exception", "__init__", "from_exception"})
SUMMING = frozenset({"extract", "_extract_from_extended_frame_gen"})  # keep texts of the frames they are given
KEPT = ("/.git/", "/.hypothesis/", "/.pytest_cache/")


class Audit:
    """An audit hook.

    Args:
        request: of the agent; from the target's file and the tests' it knows whom to look at.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        target = os.path.join(request["root"], request["target"])
        self._names = {target, os.path.realpath(target)}
        self._tests = {os.path.realpath(file) for file in request["files"]} - self._names
        self._root = request["root"] + os.sep
        self._busy = False
        self.notes: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            if self._busy or not self._is_kept(args[0]):
                return
            self._busy = True  # what is done here is told, too
            place = self._from_target(sys._getframe(1))
            self._busy = False
            if place:
                self._note(place, f"opens {os.path.basename(os.fsdecode(args[0]))}, where the tests are kept")
        elif (event == "object.__getattr__" and args[1] in FRAMES) or event in LOOKING:
            if self._busy:
                return
            self._busy = True
            frame = sys._getframe(1)
            shows = "__" in event and args[1] in ("tb_frame", "f_code") and shows_error(frame)
            place = 0 if shows else self._directly(frame)
            self._busy = False
            if place:
                self._note(place, f"looks into frames or for objects ({args[1] if '__' in event else event})")

    def _note(self, line: int, what: str) -> None:
        if len(self.notes) < 5:
            self.notes.append(f"line {line} {what}")

    def _is_kept(self, path: Any) -> bool:
        """Whether what the tests expect can be read there."""
        if not isinstance(path, (str, bytes)):
            return False
        name = os.fsdecode(path)
        if name.startswith("/proc/"):
            return name.rpartition("/")[2] in ("mem", "maps", "environ", "cmdline")
        if os.path.basename(name) == "conftest.py" or name in self._tests:
            return True
        full = os.path.abspath(name)
        if not full.startswith(self._root):
            return False
        folder, file = os.path.split(full)
        if os.path.basename(folder) == "__pycache__":
            full = os.path.join(os.path.dirname(folder), file.partition(".")[0] + ".py")
        return full in self._tests or os.path.realpath(full) in self._tests or any(part in full for part in KEPT)

    def _directly(self, frame: Optional[FrameType]) -> int:
        """The line in the target that does it, by itself or by a function that is for just that; 0 if it does not."""
        for _ in range(MOST_FRAMES):
            if frame is None:
                return 0
            file = frame.f_code.co_filename
            if file in self._names:
                return frame.f_lineno
            if not file.startswith("<") and file not in GUIDES:
                return 0
            frame = frame.f_back
        return 0

    def _from_target(self, frame: Optional[FrameType]) -> int:
        """The same, by any function that is neither the project's nor the test framework's."""
        for _ in range(MOST_FRAMES):
            if frame is None:
                return 0
            file = frame.f_code.co_filename
            if file in self._names:
                return frame.f_lineno
            if f"{os.sep}_pytest{os.sep}" in file or f"{os.sep}unittest{os.sep}" in file:
                return 0
            if file.startswith(self._root) and f"{os.sep}site-packages{os.sep}" not in file:
                return 0
            frame = frame.f_back
        return 0


def shows_error(frame: Optional[FrameType]) -> bool:
    """Whether the standard library does it by itself, to show an error (`TracebackException.__init__` is for that).

    What goes over the frames is called by what keeps texts alone: another function in its place would keep frames.
    """
    names = []
    while frame is not None and frame.f_code.co_filename == TRACEBACK:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return bool(names) and names[-1] in SHOWING and not SUMMING.isdisjoint(names[:2])
