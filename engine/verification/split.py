"""The split run: tests in one cell, the implementation in another, plain data between them.

Whatever an implementation does to its own process, the tests are not in it: all it can do to pass is to answer right.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from engine.verification.base import Verdict

CAN_SPLIT = sys.platform != "win32"  # there, no descriptor can be handed to a child
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
MOST_HIDDEN = 5000  # files of a folder that are hidden one by one


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
        losses: by test (or file, while that was loaded), what crossed but was less on one side than on the other, so
            that an honest implementation may fail.
        handed: files hidden from the implementation whose paths the tests hand to it, relative to the workspace.
        shared: names in the target's module of what may change in the tests' process and is another one in the
            implementation's, and of variables of the environment that the tests set.
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
    losses: Mapping[str, tuple[str, ...]] = field(factory=dict)
    handed: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    loading: dict[str, Any] | None = None
    recorded: tuple[dict[str, Any], ...] = ()

    @property
    def applies(self) -> bool:
        """Whether the tests could be run like this at all."""
        return self.calls > 0 and not self.not_plain

    @property
    def telling(self) -> list[str]:
        """The tests whose failing speaks against the implementation: all that was handed over in them has crossed."""
        ids = {result.id for result in self.verdict.results}
        if not ids.issuperset(self.losses):
            return []  # what was handed over while a file was loaded, any test may have used
        return [result.id for result in self.verdict.results if not (result.passed or result.id in self.losses)]

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
            {str(test): tuple(map(str, lost)) for test, lost in dict(told.get("losses", ())).items()},
            tuple(map(str, told.get("handed", ()))),
            tuple(map(str, told.get("shared", ()))),
            told.get("loading"),
            tuple(told.get("recorded", ())),
        )


def hidden_from_candidate(
    root: Path, tests: Sequence[Path], target: Path, shown: Sequence[str] = ()
) -> tuple[Path, ...]:
    """Where the tests' expectations can be read: the tests, their compiled forms, what version control keeps of them.

    All paths are as the cell names them; the target itself is never hidden.

    Args:
        shown: files that are not to be hidden with the folder of tests that they lie in (`Split.handed`); what lies
            beside them stays hidden, for data may hold the answers, too.
    """
    hidden: dict[Path, None] = {}
    kept = {root / name for name in shown}
    for file in tests:
        if file == target:
            continue  # its own docstring holds the tests
        folders = [folder for folder in file.parents if folder.is_relative_to(root) and folder != root]
        tests = [folder for folder in folders if folder.name in TEST_FOLDERS and not target.is_relative_to(folder)]
        hidden.update(dict.fromkeys(_all_but(tests[-1], kept) if tests else [file]))
        hidden.update(dict.fromkeys(_compiled(file)))
        hidden.update(dict.fromkeys(folder / "conftest.py" for folder in (*folders, root)))
    hidden.update(dict.fromkeys(root / name for name in TRACES))
    return tuple(path for path in hidden if os.path.lexists(path) and path != target)


def _all_but(folder: Path, kept: set[Path]) -> list[Path]:
    """The folder, or the files in it that are not kept."""
    if not any(path.is_relative_to(folder) for path in kept):
        return [folder]
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        paths = [Path(place, name) for name in (*folders, *files)]
        if any(path.is_symlink() for path in paths) or len(found) > MOST_HIDDEN:
            return [folder]  # what a link leads to may be no test's, and would be hidden in its place
        found += [path for path in paths[len(folders) :] if path not in kept]
    return found


def _compiled(file: Path) -> Iterable[Path]:
    return file.parent.glob(f"__pycache__/{file.stem}.*")
