"""What a server that has ended may not leave behind: processes, sockets, temporary folders, locks, half records."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
import psutil

MARK = "FAULTS_MARK"  # a variable that the server's environment has, and with it everything that it starts
_CLOSED = {"outcome", "error", "cancelled"}
_WRONG = (" ERROR ", " CRITICAL ", "Traceback (", "never retrieved", "never awaited", "was destroyed but it is pending")


def marked(mark: str) -> list[psutil.Process]:
    """Living processes with this value of MARK."""
    return [process for process in psutil.process_iter() if _has(process, mark)]


def _has(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


def gone(found: Callable[[], list[object]], seconds: float) -> list[object]:
    """What is still found after so long; empty as soon as nothing is."""
    end = time.monotonic() + seconds
    while (left := found()) and time.monotonic() < end:
        time.sleep(0.02)
    return left


def sockets(folder: Path) -> list[str]:
    """Unix sockets below `folder`: files, and those that a process still has."""
    table = Path("/proc/net/unix").read_text().splitlines() if Path("/proc/net/unix").exists() else []
    bound = [line.split()[-1] for line in table if f"{folder}/" in line]
    return [*bound, *(str(path) for path in folder.rglob("*") if path.is_socket())]


def held_locks(folder: Path) -> list[str]:
    """Lock files below `folder` that somebody still holds."""
    held = []
    for path in [*folder.rglob("*.lock"), *folder.rglob("*.start")]:
        try:
            filelock.FileLock(path).acquire(timeout=0).lock.release()
        except filelock.Timeout:
            held.append(str(path))
    return held


def wrong_lines(log: str) -> list[str]:
    """Lines of a server's log that tell of an exception which nobody has handled."""
    return [line for line in log.splitlines() if any(word in line for word in _WRONG)]


def records(folder: Path) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    """Each run's record, as its lines."""
    for path in sorted(folder.glob("*.jsonl")):
        yield path, [json.loads(line) for line in path.read_text().splitlines()]


def without_one_end(folder: Path) -> list[str]:
    """Records that do not close with the one line that says how their run ended."""
    odd = []
    for path, lines in records(folder):
        ends = [line["event"] for line in lines if line["event"] in _CLOSED]
        if len(ends) != 1 or lines[-1]["event"] not in _CLOSED:
            odd.append(f"{path.name}: {ends}, last {lines[-1]['event']}")
    return odd
