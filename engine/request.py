"""What a caller asks of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import frozen


@frozen
class ImplementRequest:
    """What to implement, and where.

    Attributes:
        root: the workspace's folder.
        path: the target's file, absolute.
        qualname: of the function, method or class; empty for all stubs of the file.
        buffers: the texts of documents that are open in the editor, by absolute path, as they are at the time of
            the call.  They count instead of what is on disk.
        python_hint: interpreter that the editor names.
        seed: makes the samples repeatable; None draws one.
    """

    root: Path
    path: Path
    qualname: str = ""
    buffers: Callable[[], Mapping[Path, str]] = dict
    python_hint: str = ""
    seed: int | None = None

    def relative(self, path: Path) -> str:
        """A path as people of this workspace call it."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)
