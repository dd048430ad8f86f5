"""The level `partial`: Linux without user namespaces, as in most containers and on hardened systems.

Tests run in a copy of the workspace, and have rights to little else: Landlock bounds the files, a filter the system
calls.  The work is done by `agent/restricted.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.abc import Process

from engine.errors import SandboxError
from engine.verification.cell import Ended
from engine.verification.copies import AGENT, CopyCell, Placed, end_marked
from engine.verification.namespaces import common_order, run_agent, trial_of
from engine.verification.sight import Openings, sight

ENDING_SECONDS = 1.0  # for the watcher to end the tree, before everything that carries the run's mark is ended

_works: dict[Path, str] = {}


class RestrictedCell(CopyCell):
    """See the module.

    Args:
        reason: why no stronger cell is used.
        openings: what the user's settings open.
    """

    level = "partial"

    def __init__(self, root: Path, reason: str = "", openings: Openings | None = None) -> None:
        super().__init__(root)
        self.openings = openings or Openings()
        network = "the network is OPEN, as set" if self.openings.network else "no sockets"
        self.detail = (
            f"{network}; of the disk, programs alone can be read, and a copy of the workspace alone written; memory, "
            "time, processes, disk and output bounded by looking; NOT held: names, sizes and modes of all files can "
            "be seen, the mode and times of your own files changed, and other processes' names counted"
            + (f" ({reason})" if reason else "")
        )

    async def _run(self, placed: Placed, on_line: Callable[[str], None]) -> Ended:
        seen = sight(self.root, (AGENT, *placed.command.visible), self.openings, copied=True)
        folders = [str(placed.copy), str(placed.temporary)]
        order = {
            **common_order(placed.command),
            "cwd": str(placed.moved(placed.command.cwd)),
            "shown": [part for path in seen.shown for part in without(path, seen.private)],
            "writable": [*folders, *map(str, self.openings.write)],
            "folders": folders,
            "network": self.openings.network,
        }

        async def end_tree(process: Process) -> None:
            if process.returncode is None:
                process.terminate()
                with anyio.move_on_after(ENDING_SECONDS):
                    while process.returncode is None:  # noqa: ASYNC110 - as in `supervise`
                        await anyio.sleep(0.005)
            await to_thread.run_sync(end_marked, process, placed.mark)

        return await run_agent(
            "restricted", order, placed.command, environment=placed.environment(), on_line=on_line, end_tree=end_tree
        )


def without(path: str, private: Iterable[str]) -> list[str]:
    """What to allow in place of `path`, so that nothing `private` in it is allowed: rules hold for all that is below.

    The folders that hold something private cannot be listed then.
    """
    inside = [each for each in private if Path(each).is_relative_to(path)]
    if not inside:
        return [path]
    if path in inside:
        return []
    return [part for entry in Path(path).iterdir() for part in without(str(entry), inside)]


async def why_not(root: Path) -> str:
    """Why this cell does not work here; empty if it does.  Found out by trying, once."""
    if root not in _works:
        _works[root] = await _try(root) and await _try(root)  # once more, as in `namespaces.why_not`
    return _works[root]


async def _try(root: Path) -> str:
    lines: list[str] = []
    try:
        async with RestrictedCell(root) as cell:
            await cell.run(trial_of(root), lines.append)
    except (SandboxError, OSError) as error:
        return str(error)
    return "" if lines == ["seen"] else "a command did not see the text it should"
