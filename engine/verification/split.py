"""The split run: tests in one cell, the implementation in another, plain data between them.

Whatever an implementation does to its own process, the tests are not in it: all it can do to pass is to answer right.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from engine.verification.base import Verdict

TEST_FOLDERS = frozenset({"tests", "test", "testing"})
TRACES = (
    ".git",
    ".hg",
    ".hypothesis",
    ".pytest_cache",
    ".mypy_cache",
    ".tox",
    ".nox",
)  # they hold the tests' texts too


@frozen
class Split:
    """What a split run found.

    Attributes:
        verdict: of the tests' process.
        calls: of the target; with_arguments: those that were given any.
        not_plain: what could not cross; if there is any, the verdict says nothing.
        unsteady: how many inputs were answered differently when asked again.
        asked, alike: new inputs near the tests' own, and the one answer they all got, if that is suspicious
            (`known`: each got one of the answers that the tests expect).
        new: different answers to these that the tests do not expect of their own.
        loading, recorded: requests that load the target's module and that the tests made, if these were asked for.
    """

    verdict: Verdict
    calls: int = 0
    with_arguments: int = 0
    not_plain: tuple[str, ...] = ()
    unsteady: int = 0
    asked: int = 0
    alike: str = ""
    new: int = 0
    loading: dict[str, Any] | None = None
    recorded: tuple[dict[str, Any], ...] = ()

    @property
    def applies(self) -> bool:
        """Whether the tests could be run like this at all."""
        return self.calls > 0 and not self.not_plain

    @classmethod
    def of(cls, verdict: Verdict, told: Mapping[str, Any]) -> Split:
        """From what the agent told at its end; nothing but zeros if it did not come to that."""
        return cls(
            verdict,
            int(told.get("calls", 0)),
            int(told.get("with_arguments", 0)),
            tuple(str(each)[:300] for each in told.get("not_plain", ())),
            int(told.get("unsteady", 0)),
            int(told.get("asked", 0)),
            str(told.get("alike", ""))[:200],
            int(told.get("new", 0)),
            told.get("loading"),
            tuple(told.get("recorded", ())),
        )


def hidden_from_candidate(root: Path, tests: Sequence[Path], target: Path) -> tuple[Path, ...]:
    """Where the tests' expectations can be read: the tests, their compiled forms, what version control keeps of them.

    All paths are as the cell names them; the target itself is never hidden.
    """
    hidden: dict[Path, None] = {}
    for file in tests:
        if file == target:
            continue  # its own docstring holds the tests
        folders = [folder for folder in file.parents if folder.is_relative_to(root) and folder != root]
        tests = [folder for folder in folders if folder.name in TEST_FOLDERS and not target.is_relative_to(folder)]
        hidden[tests[-1] if tests else file] = None
        hidden.update(dict.fromkeys(_compiled(file)))
        hidden.update(dict.fromkeys(folder / "conftest.py" for folder in (*folders, root)))
    hidden.update(dict.fromkeys(root / name for name in TRACES))
    return tuple(path for path in hidden if os.path.lexists(path) and path != target)


def _compiled(file: Path) -> Iterable[Path]:
    return file.parent.glob(f"__pycache__/{file.stem}.*")
