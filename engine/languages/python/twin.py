"""The twin of a test file: same name, same ids, other expectations.

An honest implementation must fail every test whose expectation was changed.  What passes it all the same forges
verdicts, is equal to everything, or reads the expected values from whoever calls it.  Where the changed assertion may
not be reached (it stands in a branch, or in a loop that may be empty), it leaves a mark, and the test ends by asking
for that mark.  A test from which a return may lead before that is not decided.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from engine.languages.base import Twin
from engine.languages.python.altering import letters
from engine.languages.python.expectations import Names, called, expected, failing, raising
from engine.languages.python.parameters import Parametrized, parametrized
from engine.languages.python.routines import Routine, Step, inherited, places, routines_of
from engine.languages.python.rows import bound, rows
from engine.languages.python.syntax import tree_of
from engine.languages.python.testfile import Change, Definition, Edit, TestFile, last

_MOST_ROWS = 3000
_MOST_KNOWN = 300  # values of other tests that one is chosen from
_COMPARED, _NONE = 1, 9  # ranks of changes: up to here something else is compared with; there is none
_DEEPEST = 3  # helpers of helpers


def twin(text: str, targets: Sequence[str], seed: int, *, known: bool = False) -> Twin:
    """See `Language.twin`.  A text that does not parse is its own twin, in which nothing is decided."""
    values = _values(text, targets, seed) if known else []
    if known and not values:
        return Twin(text, frozenset())
    try:
        file = TestFile(text, seed, values)
        routines = list(routines_of(file))
        helpers = {routine.qualname: routine.node for routine in routines if not routine.is_test}
        for routine in routines:
            _read(file, routine, helpers)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Twin(text, frozenset())
    by_name = {routine.qualname: routine for routine in routines}
    edits: list[Edit] = []
    changed: set[str] = set()
    decided: set[str] = set()
    for routine in routines:
        if routine.is_test and _decide(file, routine, by_name, edits, changed):
            decided.add(routine.qualname)
    decided |= inherited(file, decided, by_name)
    twin_text = file.edited(edits)
    try:
        compile(twin_text.removeprefix("\ufeff"), "twin", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Twin(text, frozenset())
    return Twin(twin_text, frozenset(decided), places(file, routines, edits))


def _expected(text: str, seed: int) -> list[tuple[int, Any]]:
    """The values that the tests expect, each with the line of its function."""
    try:
        file = TestFile(text, seed)
        for routine in routines_of(file):
            _read(file, routine, {})
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return file.changed


def expectations(text: str, targets: Sequence[str]) -> list[Any]:
    """The values that tests which name one of `targets` expect, as far as these are constants."""
    lines = _lines(text, targets)
    return [value for line, value in _expected(text, 0) if line in lines]


def _values(text: str, targets: Sequence[str], seed: int) -> list[tuple[int, Any]]:
    """Different values that tests of the targets expect; if these are few, what any test expects."""
    found = {repr(each): each for each in _expected(text, seed)}.values()
    lines = _lines(text, targets)
    own = [(line, value) for line, value in found if line in lines]
    chosen = own if len({repr(value) for _, value in own}) > 1 else list(found)
    return random.Random(seed).sample(chosen, _MOST_KNOWN) if len(chosen) > _MOST_KNOWN else chosen  # noqa: S311


def _lines(text: str, targets: Sequence[str]) -> set[int]:
    """The lines of the functions that name one of `targets`."""
    try:
        functions = [node for node in ast.walk(tree_of(text)) if isinstance(node, Definition)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    wanted = {target.rpartition(".")[2] for target in targets}
    return {
        node.lineno
        for node in functions
        if any(isinstance(each, ast.Name | ast.Attribute) and last(each) in wanted for each in ast.walk(node))
    }


def _decide(
    file: TestFile, routine: Routine, by_name: dict[str, Routine], edits: list[Edit], changed: set[str], depth: int = 0
) -> bool:  # fmt: skip
    """Make the routine fail in the way that finds most; False if it may end without.

    A changed constant or comparison (ranks 0 and 1), even in a helper, finds more than an assertion turned around.
    """
    certain = [step for step in routine.steps if step.certain and step.safe]
    best = min((step.change.rank for step in certain if step.change is not None), default=_NONE)
    if best > _COMPARED and depth < _DEEPEST:
        for helper in (by_name.get(step.helper) for step in certain):
            if helper is None or helper.is_test:
                continue
            if helper.qualname in changed or _decide(file, helper, by_name, edits, changed, depth + 1):
                changed.add(helper.qualname)
                routine.first = next(step for step in certain if by_name.get(step.helper) is helper)
                return True
    possible = [step for step in routine.steps if step.safe and step.change is not None]
    found = min((step.change.rank for step in possible if step.change is not None), default=_NONE)
    if best > max(found, _COMPARED) or best == _NONE:
        return _marked(file, routine, [step for step in possible if step.change and step.change.rank == found], edits)
    for step in certain if best else possible:
        if step.change is not None and step.change.rank == best:
            edits += step.change.edits
            if routine.first is None and step.certain:
                routine.first = step
            if best > _COMPARED:
                break
    return True


def _marked(file: TestFile, routine: Routine, steps: list[Step], edits: list[Edit]) -> bool:
    """Change steps that may not be reached; each leaves a mark that the routine asks for at its end."""
    body = routine.node.body
    if _may_leave(body, loops=True) or isinstance(body[-1], ast.Raise):
        return False
    mark = letters(file.chance)
    for step in steps:
        if step.change is not None:
            edits += [file.before(step.node, f"{mark} = True"), *step.change.edits]
    edits.append(file.behind(body[-1], f"assert {mark}"))
    return True


def _read(file: TestFile, routine: Routine, helpers: Mapping[str, Definition]) -> None:
    """Fill in the routine's steps."""
    columns: dict[str, list[ast.expr]] = {}
    given: dict[str, Parametrized] = {}
    holders: list[ast.AST] = [routine.node]
    parent = file.parents.get(routine.node)
    while isinstance(parent, ast.ClassDef):
        holders.append(parent)
        parent = file.parents.get(parent)
    for each in parametrized(file, holders):
        for name, values in each.columns.items():
            columns[name], given[name] = values, each
    shared = len(holders) > 1 and any(p.on_class for p in given.values())

    def edits(name: str) -> tuple[Edit, ...] | None:
        if name not in given:
            return ()
        return None if shared and given[name].on_class else given[name].ids(file, name)

    reader = _Reader(file, Names(columns, edits), routine, helpers)
    reader.read(routine.node.body, Place(certain=True, safe=True))


@frozen
class Place:
    """Where a statement stands; see `Step`."""

    certain: bool
    safe: bool


class _Reader:
    """Goes through a routine's statements in their order."""

    def __init__(self, file: TestFile, names: Names, routine: Routine, helpers: Mapping[str, Definition]) -> None:
        self._file, self._names, self._routine, self._helpers = file, names, routine, helpers

    def _step(self, node: ast.stmt, change: Change | None, at: Place, helper: str = "") -> None:
        if change is not None or helper:
            self._routine.steps.append(Step(node, at.certain, at.safe, change, helper))

    def read(self, body: Iterable[ast.stmt], at: Place) -> None:
        for node in body:
            self._read_one(node, at)
            if at.certain and _may_leave([node], loops=isinstance(node, ast.For | ast.AsyncFor | ast.While)):
                at = evolve(at, certain=False)

    def _read_one(self, node: ast.stmt, at: Place) -> None:
        match node:
            case ast.Assert(test=test):
                self._step(node, failing(self._file, test, self._names), at)
            case ast.Expr(value=value) | ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                self._read_call(node, value, at)
            case ast.Return(value=ast.expr() as value):
                self._read_call(node, value, at)
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                self._read_with(node, [item.context_expr for item in items], body, at)
            case ast.For(target=target, iter=iterated, body=body):
                self._read_loop(target, iterated, body, at)
            case ast.Try(body=body, handlers=handlers, finalbody=final, orelse=orelse):
                self.read(body, evolve(at, certain=at.certain and not handlers, safe=at.safe and not handlers))
                for inner in (*(handler.body for handler in handlers), orelse):
                    self.read(inner, evolve(at, certain=False))
                self.read(final, at)
            case (
                ast.If(body=body, orelse=orelse)
                | ast.While(body=body, orelse=orelse)
                | ast.AsyncFor(body=body, orelse=orelse)
            ):
                self.read([*body, *orelse], evolve(at, certain=False))

    def _read_call(self, node: ast.stmt, value: ast.expr, at: Place) -> None:
        call = value.value if isinstance(value, ast.Await) else value
        if not isinstance(call, ast.Call):
            return
        change = called(self._file, call, self._names)
        helper = _helper(call, self._routine.qualname)
        if change is None and helper:
            change = self._in_arguments(call, helper)
        self._step(node, change, at, helper)

    def _in_arguments(self, call: ast.Call, helper: str) -> Change | None:
        """An expected constant that is handed to a helper which compares it for certain."""
        definition = self._helpers.get(helper)
        if definition is None:
            return None
        parameters = [a.arg for a in (*definition.args.posonlyargs, *definition.args.args)]
        parameters = parameters[1:] if "." in helper else parameters
        handed = dict(zip(parameters, call.args, strict=False)) | {k.arg: k.value for k in call.keywords if k.arg}
        for name, value in handed.items():
            loads = self._file.loads(definition, name)
            if (
                loads
                and all(self._file.is_expected(load) for load in loads)
                and _compares(self._file, definition, name)
            ):
                edits = expected(self._file, value, self._names)
                if edits:
                    return Change(0, edits)
        return None

    def _read_with(self, node: ast.stmt, contexts: list[ast.expr], body: list[ast.stmt], at: Place) -> None:
        inside = at
        for context in contexts:
            if isinstance(context, ast.Call):
                change = raising(self._file, context)
                self._step(node, change, at)
                if change is not None or "raises" in last(context.func).lower() or last(context.func) == "suppress":
                    inside = evolve(at, certain=False, safe=False)
        self.read(body, inside)

    def _read_loop(self, target: ast.expr, iterated: ast.expr, body: list[ast.stmt], at: Place) -> None:
        found = rows(self._file, self._file.scope(iterated), iterated)[:_MOST_ROWS]
        columns: dict[str, list[ast.expr]] = {}
        for row in found:
            for name, value in bound(target, row):
                columns.setdefault(name, []).append(value)
        whole = {name: values for name, values in columns.items() if len(values) == len(found)}
        unread = {each.id for each in ast.walk(target) if isinstance(each, ast.Name)} - set(whole)
        outer = self._names
        self._names = evolve(outer, columns={**outer.columns, **whole, **{name: [] for name in unread}})
        self.read(body, evolve(at, certain=at.certain and bool(found)))
        self._names = outer


def _compares(file: TestFile, definition: Definition, name: str) -> bool:
    """Whether the function compares that parameter in a statement of its own, reached for certain."""
    for node in definition.body:
        if isinstance(node, ast.Assert | ast.Expr):
            if any(
                isinstance(each, ast.Name) and each.id == name and file.is_expected(each) for each in ast.walk(node)
            ):
                return True
        elif not isinstance(node, ast.Assign | ast.AnnAssign):
            return False
    return False


def _helper(call: ast.Call, caller: str) -> str:
    """The qualified name of the helper that a call may be to: a function of the module, or a method of the class."""
    match call.func:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
            return f"{caller.rpartition('.')[0]}.{name}"
    return ""


def _may_leave(body: list[ast.stmt], *, loops: bool = False) -> bool:
    """Whether a return (or, outside loops, a jump) in there could leave before what follows."""
    kinds: tuple[type[ast.stmt], ...] = (ast.Return,) if loops else (ast.Return, ast.Continue, ast.Break)
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, kinds):
            return True
        if isinstance(node, ast.Call) and last(node.func) in {"skip", "skipTest", "importorskip", "exit"}:
            return True
        if not isinstance(node, Definition | ast.Lambda | ast.ClassDef):
            pending.extend(ast.iter_child_nodes(node))
    return False
