"""The tests of a file and their helpers, and what these do that can be made to fail."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from attrs import define, field, frozen

from engine.languages.python.testfile import Change, Definition, Edit, TestFile, last

_UNTOUCHED = ("setUp", "tearDown", "setup_", "teardown_", "asyncSetUp", "asyncTearDown")
_NOT_COUNTED = {"xfail", "expectedFailure", "skip", "skipIf", "skipUnless", "skipif", "fixture", "contextmanager"}
_GOING_ON = {"subTest", "subtests", "subtest", "check", "assume", "soft_assertions", "expect"}  # after a failure


@frozen
class Step:
    """Something a test does that can be made to fail.

    Attributes:
        node: the statement.
        certain: it is reached in every run.
        safe: nothing around it catches its failure.
        change: how; None for a call of a helper that asserts.
        helper: the helper's name.
    """

    node: ast.stmt
    certain: bool
    safe: bool
    change: Change | None = None
    helper: str = ""


@define
class Routine:
    """A test, or a helper of tests."""

    qualname: str
    node: Definition
    is_test: bool
    steps: list[Step] = field(factory=list)
    first: Step | None = None  # that must fail, for certain


def routines_of(file: TestFile) -> Iterator[Routine]:
    """Functions of the module and methods of its classes; fixtures and what sets up are left as they are."""

    def below(body: list[ast.stmt], prefix: str) -> Iterator[Routine]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from below(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.If | ast.Try | ast.With):
                yield from below(node.body, prefix)
            elif isinstance(node, Definition) and not node.name.startswith(_UNTOUCHED):
                marks = {last(each) for d in node.decorator_list for each in ast.walk(d) if isinstance(each, ast.expr)}
                if not marks & _NOT_COUNTED and not _yields(node):
                    yield Routine(f"{prefix}{node.name}", node, node.name.startswith("test"))

    return below(file.tree.body, "")


def _yields(node: Definition) -> bool:
    return any(isinstance(each, ast.Yield | ast.YieldFrom) for each in ast.walk(node))


def inherited(file: TestFile, decided: set[str], by_name: dict[str, Routine]) -> set[str]:
    """Tests that a class has from another of the file."""
    found: set[str] = set()
    for node in file.tree.body:
        if isinstance(node, ast.ClassDef):
            for base in (base.id for base in node.bases if isinstance(base, ast.Name)):
                names = (name.rpartition(".")[2] for name in decided | found if name.rpartition(".")[0] == base)
                found |= {f"{node.name}.{name}" for name in names if f"{node.name}.{name}" not in by_name}
    return found


def places(file: TestFile, routines: Iterable[Routine], edits: list[Edit]) -> dict[str, tuple[int, int, int]]:
    """See `Twin.by`; without tests that may go on after a failure, or fail another time at their end."""
    line_of, applied = file.lines_after(edits), file.applied_of(edits)
    found: dict[str, tuple[int, int, int]] = {}
    for routine in routines:
        step, parts = routine.first, list(ast.walk(routine.node))
        if step is None or not routine.is_test or any(isinstance(each, ast.Try) for each in parts):
            continue
        if any(isinstance(each, ast.Name | ast.Attribute | ast.arg) and _named(each) in _GOING_ON for each in parts):
            continue
        if step.change is not None and not applied(step.change.edits):
            continue
        start, end = file.start(routine.node), file.end(routine.node)
        found[routine.qualname] = (line_of(start), line_of(file.end(step.node)), line_of(end))
    return found


def _named(node: ast.Name | ast.Attribute | ast.arg) -> str:
    return node.arg if isinstance(node, ast.arg) else last(node)
