"""Commands that meet full disks, read-only folders and no temporary space: real ones, in a mount namespace."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

_UNSHARE = ("unshare", "--map-root-user", "--mount", "--")
PROJECT = Path("/mnt")  # where `bound` shows a folder that lies below /tmp
NEEDED = {Path(__file__).parents[2], Path(sys.prefix)}  # by the command line itself
# The command line, at a level of confinement that a test chooses.
_PROGRAM = """
import sys
level = sys.argv[1]
sys.argv = ["greenfinch", *sys.argv[2:]]
if level:
    from engine.verification import verifier
    opened = verifier.open_cell
    verifier.open_cell = lambda root, *_, **rest: opened(root, level, **rest)
from engine.cli.main import run
run()
"""


def can_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    command = [*_UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def full(place: Path | str, size: str = "64k") -> str:
    """A shell command that puts a disk at `place` on which not one byte is free."""
    return _over(place, size, f"cat /dev/zero > {shlex.quote(str(place))}/filler 2>/dev/null || true")


def room(place: Path | str, size: str, options: str = "") -> str:
    """The same, with so much space free."""
    return f"mount -t tmpfs -o size={size},mode=700{options} none {shlex.quote(str(place))}"


def read_only(place: Path | str) -> str:
    return _over(place, "64k", f"mount -o remount,ro {shlex.quote(str(place))}")


def _over(place: Path | str, size: str, then: str) -> str:
    """A disk at `place`, on which what the command line needs is still there, if the checkout lies below it."""
    kept = [shlex.quote(str(folder)) for folder in NEEDED if folder.is_relative_to(place)]
    held = [f"exec {number}<{folder}" for number, folder in enumerate(kept, 7)]
    back = [f"mkdir -p {folder}; mount -c --bind /proc/self/fd/{n} {folder}" for n, folder in enumerate(kept, 7)]
    return "; ".join((*held, room(place, size), *back, then))


def bound(place: Path | str) -> str:
    """Show `place` at PROJECT, too, where nothing that is mounted on /tmp hides it."""
    return f"mount --bind {shlex.quote(str(place))} {PROJECT}"


def within(*mounts: str) -> tuple[str, ...]:
    """What to put before a command's words, so that it meets these mounts."""
    return (*_UNSHARE, "sh", "-ec", "; ".join((*mounts, 'exec "$@"')), "sh")


def greenfinch(
    *arguments: str, mounts: tuple[str, ...], environment: dict[str, str], level: str = "", cwd: Path = Path("/"),
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """The command line under these mounts; it prints and exits as it would."""
    inside = ["sh", "-ec", 'cd "$1"; shift; exec "$@"', "sh", str(cwd)]  # only now is there what was mounted
    command = [*within(*mounts), *inside, sys.executable, "-P", "-c", _PROGRAM, level, *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GREENFINCH_", "XDG_", "TMP"))}
    return subprocess.run(
        command, capture_output=True, text=True, env=kept | environment, cwd="/", timeout=120, check=False
    )
