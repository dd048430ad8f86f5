"""A terminal whose screen can be read: tmux, with a server and a configuration of its own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self


class Terminal:
    """A program in a terminal, ended with the block.

    Args:
        home: the folder of an editor, which may hold a tmux of its own.
    """

    def __init__(
        self, home: Path, command: list[str], root: Path, environment: Mapping[str, str], columns: int = 140
    ) -> None:
        own = home / "bin" / "tmux"
        self._tmux = [str(own) if own.is_file() else shutil.which("tmux") or "tmux", "-L", f"greenfinch-{os.getpid()}"]
        self._tmux += ["-f", os.devnull]
        variables = {**environment, "TERM": "screen-256color", "LC_ALL": "C.UTF-8"}
        assignments = [f"{name}={value}" for name, value in variables.items()]
        line = shlex.join(["env", "-i", *assignments, *command])
        self._start = [*self._tmux, "-u", "new-session", "-d", "-x", str(columns), "-y", "40", "-c", str(root), line]
        self.screens: list[str] = []

    def __enter__(self) -> Self:
        subprocess.run(self._start, check=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)

    def select(self, title: str) -> None:
        """Press Down until the row of a menu that holds the title is the one shown in reverse."""
        reverse = re.compile(r"\x1b\[7m(?:\x1b\[[\d;]*m)* *" + re.escape(title))
        for _ in range(20):
            for _ in range(10):
                if any(reverse.search(line) for line in self.colours()):
                    return
                time.sleep(0.03)
            self.press("Down")
        raise AssertionError(f"{title} cannot be selected; the screen:\n{self.screen()}")

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names for them, one after another."""
        for key in keys:
            subprocess.run([*self._tmux, "send-keys", key], check=True)
            time.sleep(0.05)  # an escape and a letter at once would be one key with Alt

    def type(self, text: str) -> None:
        subprocess.run([*self._tmux, "send-keys", "-l", text], check=True)

    def colours(self) -> list[str]:
        """The screen's lines now, with the control sequences of their colours."""
        capture = [*self._tmux, "capture-pane", "-p", "-e"]
        return subprocess.run(capture, capture_output=True, text=True, check=False).stdout.splitlines()

    def screen(self) -> str:
        """What is on the screen now."""
        shown = subprocess.run([*self._tmux, "capture-pane", "-p"], capture_output=True, text=True, check=False).stdout
        if not self.screens or self.screens[-1] != shown:
            self.screens.append(shown)
        return shown

    def wait(self, pattern: str, seconds: float = 120) -> str:
        """Wait until a line of the screen matches; the screen then."""
        return self._until(lambda screen: re.search(pattern, screen, re.MULTILINE) is not None, pattern, seconds)

    def wait_until_gone(self, pattern: str, seconds: float = 120) -> str:
        """Wait until no line of the screen matches; the screen then."""
        return self._until(lambda screen: re.search(pattern, screen, re.MULTILINE) is None, f"no {pattern}", seconds)

    def ever_showed(self, pattern: str) -> bool:
        return any(re.search(pattern, screen, re.MULTILINE) for screen in self.screens)

    def _until(self, holds: Callable[[str], bool], what: str, seconds: float) -> str:
        end = time.monotonic() + seconds
        while not holds(screen := self.screen()):
            assert time.monotonic() < end, f"waited in vain for {what}; the screen:\n{screen}"
            time.sleep(0.05)
        return screen
