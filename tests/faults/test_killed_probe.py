"""A probe of the sandbox that something kills (memory running short, say) does not weaken all that comes after it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psutil
import pytest

from engine.verification import namespaces, restricted

pytestmark = pytest.mark.anyio


class Killer(threading.Thread):
    """Kills the first child process that this one gets."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.killed = 0
        self._before = {child.pid for child in psutil.Process().children()}

    def run(self) -> None:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for child in psutil.Process().children():
                if child.pid not in self._before:
                    child.kill()
                    self.killed = child.pid
                    return


async def test_a_killed_probe_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "_works", {})
    if (await namespaces.why_not(tmp_path))[0]:
        pytest.skip("namespaces do not work on this machine")
    monkeypatch.setattr(namespaces, "_works", {})
    killer = Killer()
    killer.start()
    assert await namespaces.why_not(tmp_path) == ("", True)
    assert killer.killed


async def test_a_killed_probe_of_the_level_partial_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restricted, "_works", {})
    if await restricted.why_not(tmp_path):
        pytest.skip("Landlock does not work on this machine")
    monkeypatch.setattr(restricted, "_works", {})
    killer = Killer()
    killer.start()
    assert await restricted.why_not(tmp_path) == ""
    assert killer.killed
