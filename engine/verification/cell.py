"""A cell: the confined place one command runs in, with the workspace as the editor has it.

Kinds, in the order of preference: `full` (Linux; see `namespaces.py`), `partial` (Linux too; see `restricted.py`) and
`limits-only` (everywhere; see `copies.py`).
`confinement.open_cell` finds out by trying which of them works here.  A cell knows nothing of tests.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

MIB = 1 << 20


@frozen
class Limits:
    """What one command may use.

    Attributes:
        seconds: wall time, from its start.
        memory_bytes: address space of each process; where a cell can watch the tree, also the sum of its memory.
        processes: processes and threads of the tree, where a cell can count them.
        file_bytes: size of one file. disk_bytes: of everything written, where a cell can bound it.
        output_bytes: the command is ended when it has printed more than this.
    """

    seconds: float
    memory_bytes: int = 2048 * MIB
    processes: int = 256
    file_bytes: int = 128 * MIB
    disk_bytes: int = 512 * MIB
    output_bytes: int = 32 * MIB


@frozen
class Command:
    """What runs in a cell.

    Attributes:
        argv: program (absolute path) and arguments.
        cwd: a folder of the workspace, at its own path.
        request: one line of text for the command's stdin, which ends behind it.
        environment: the whole environment of the command.
        overlays: texts that stand in the place of files, by absolute path; the files need not exist.
        visible: what the command needs to read from folders that a cell may replace, such as an interpreter in /tmp.
        hidden: files and folders that this command must not see: they are absent or empty, but for `overlays` in
            them.  Outside the workspace, only the level `full` holds this.
        inherited: descriptors of this process that the command keeps, under the same numbers (POSIX).
    """

    argv: tuple[str, ...]
    cwd: Path
    request: str
    environment: Mapping[str, str]
    limits: Limits
    overlays: Mapping[Path, str] = field(factory=dict)
    visible: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    inherited: tuple[int, ...] = ()


@frozen
class Ended:
    """How a command ended.

    Attributes:
        status: exit status; negative for a signal; None if the cell ended it.
        output: stdout's other half: what it printed to stderr (and what it sent there), bounded.
        seconds: wall time; cpu_seconds: of the whole tree, as far as the cell could count.
        timed_out: ended at its time limit.
        exceeded: `memory`, `processes`, `disk` or `output` if it was ended for using more than its share of that.
        warm: it was a fork of a warm server.
    """

    status: int | None
    output: str
    seconds: float
    cpu_seconds: float
    timed_out: bool = False
    exceeded: str = ""
    warm: bool = False


class Cell(Protocol):
    """Runs commands confined.  Several may run at once; cancelling `run` ends the command's whole process tree."""

    level: str
    detail: str

    async def run(self, command: Command, on_line: Callable[[str], None]) -> Ended:
        """Run one command; `on_line` gets each line of its stdout as it comes.

        Raises:
            SandboxError: the confinement could not be set up.
        """


def encoded(text: str) -> bytes:
    """The bytes of a source text, in the encoding that its own first lines declare (UTF-8 where they do not)."""
    data = text.encode("utf-8", "surrogatepass")
    try:
        name, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data if name.startswith("utf-8") else text.encode(name)
    except (SyntaxError, UnicodeEncodeError, LookupError):
        return data
