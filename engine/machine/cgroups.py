"""The control groups that a process is in: where Linux keeps the limits of containers and services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def groups(controller: str, root: Path = ROOT, membership: Path = MEMBERSHIP) -> Iterator[tuple[int, Path]]:
    """(version, folder) of each group that `controller` may limit this process by, the innermost first.

    A limit of any of them holds.  Yields nothing where there are no control groups.
    """
    try:
        entries = [line.split(":", 2) for line in membership.read_text("utf-8").splitlines()]
    except OSError:
        return
    for _number, controllers, path in entries:
        if not controllers:
            version, base = 2, root
        elif controller in controllers.split(","):
            version, base = 1, root / controller
        else:
            continue
        inner = base / path.lstrip("/")
        for folder in (inner, *inner.parents):
            yield version, folder
            if folder == base:
                break


def number(file: Path) -> int | None:
    """The one number in a group's file; None if it is not there, or says `max`."""
    try:
        return int(file.read_text("ascii"))
    except (OSError, ValueError):
        return None
