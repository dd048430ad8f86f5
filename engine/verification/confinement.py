"""Which confinement this machine allows: found out by trying, not assumed."""

from __future__ import annotations

import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from engine.config import SANDBOX_LEVELS as LEVELS
from engine.config import Settings
from engine.errors import SandboxError
from engine.paths import expanded
from engine.verification import namespaces, restricted
from engine.verification.cell import Cell
from engine.verification.copies import CopyCell
from engine.verification.namespaces import NamespaceCell
from engine.verification.restricted import RestrictedCell
from engine.verification.sight import Openings

ACCEPT_WEAKER = f"Or accept a weaker sandbox by the setting `sandbox_least`: {', '.join(LEVELS)}."
"""What remains to a user who cannot have a better level."""


async def open_cell(
    root: Path, level: str = "", *, least: str = LEVELS[-1], openings: Openings | None = None
) -> AbstractAsyncContextManager[Cell]:
    """The strongest cell that works here for the workspace at `root`, or the one called `level`.

    Args:
        level: for trying it out; by default the strongest.
        least: the weakest level that will do, unless there is a `level`.
        openings: what the user's settings open.

    Raises:
        SandboxError: if the cell called `level`, or one of level `least`, does not work here; with the remedy.
    """
    wanted = [level] if level else list(LEVELS[: LEVELS.index(least) + 1])
    reason = ""
    for name in wanted:
        cell, why = await _cell(root, name, reason, openings or Openings())
        if cell is not None:
            return cell
        reason = reason or why
    raise SandboxError(
        f"Tests cannot be confined here as they should be (level {wanted[-1]}): {reason}.",
        remedy=f"{better()} {ACCEPT_WEAKER}",
    )


async def _cell(
    root: Path, level: str, reason: str, openings: Openings
) -> tuple[AbstractAsyncContextManager[Cell] | None, str]:
    """The cell of a level, or why it does not work here.  `reason`: why no stronger one does."""
    if level == "limits-only":
        return CopyCell(root, reason), ""
    if not sys.platform.startswith("linux"):
        return None, "it needs Linux"
    if level == "partial":
        why = await restricted.why_not(root)
        return (None, why) if why else (RestrictedCell(root, reason, openings), "")
    why, overlay = await namespaces.why_not(root)
    return (None, why) if why else (NamespaceCell(root, overlay=overlay, openings=openings), "")


def openings_of(settings: Settings) -> Openings:
    """What the settings open for the tests."""
    return Openings(
        read=tuple(expanded(path, "`test_read`") for path in settings.test_read),
        write=tuple(expanded(path, "`test_write`") for path in settings.test_write),
        network=settings.test_network == "host",
    )


def better() -> str:
    """What a user can do to get a better level than works here."""
    if not sys.platform.startswith("linux"):
        return "Run Greenfinch on Linux (a container or WSL will do)."
    return f"Allow user namespaces to this user (`unshare -Ur true` must work): {_how_to_allow()}."


def _how_to_allow() -> str:
    for name, value, command in (
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
    ):
        file = Path("/proc/sys", name)
        if file.is_file() and file.read_text().strip() == value:
            return f"`sudo sysctl {command}`"
    return "in a container, start it with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`"
