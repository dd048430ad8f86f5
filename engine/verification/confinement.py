"""Which confinement this machine allows: found out by trying, not assumed."""

from __future__ import annotations

import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from engine.errors import SandboxError
from engine.verification.cell import Cell
from engine.verification.copies import CopyCell
from engine.verification.namespaces import NamespaceCell, why_not


async def open_cell(root: Path, level: str = "") -> AbstractAsyncContextManager[Cell]:
    """The strongest cell that works here for the workspace at `root`, or the one called `level`.

    Raises:
        SandboxError: if the cell called `level` does not work here.
    """
    if level == "copy" or (not level and not sys.platform.startswith("linux")):
        return CopyCell(root)
    reason, overlay = await why_not(root)
    if not reason:
        return NamespaceCell(root, overlay=overlay)
    if level:
        raise SandboxError(f"Tests cannot be confined in namespaces here: {reason}.")
    return CopyCell(root, reason)
