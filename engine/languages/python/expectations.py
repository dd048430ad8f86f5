"""Ways to make an assertion fail that an honest implementation passes: its expected constant, at its source, changed.

Where the constant cannot be changed (it is computed, or is an input as well), something else is compared with; where
nothing is compared, the assertion is turned around.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from attrs import frozen

from engine.languages.python.altering import among_none, letters, source
from engine.languages.python.folding import NotConstant
from engine.languages.python.testfile import Change, Definition, Edit, TestFile, last

# Exceptions that nobody raises or expects by accident, and that are no base of another.
EXCEPTIONS = ("ChildProcessError", "ProcessLookupError", "BrokenPipeError", "InterruptedError")
WARNINGS = ("BytesWarning", "ImportWarning", "UnicodeWarning")

_FLIPPED: dict[type[ast.cmpop], str] = {
    ast.NotEq: "==", ast.Lt: ">=", ast.LtE: ">", ast.Gt: "<=", ast.GtE: "<", ast.In: "not in", ast.NotIn: "in",
    ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
_RENAMED = {
    "assertTrue": "assertFalse", "assertIs": "assertIsNot", "assertIsNone": "assertIsNotNone",
    "assertIn": "assertNotIn", "assertIsInstance": "assertNotIsInstance", "assertRegex": "assertNotRegex",
    "assertAlmostEqual": "assertNotAlmostEqual", "assertGreater": "assertLessEqual",
    "assertGreaterEqual": "assertLess", "assertHasAttr": "assertNotHasAttr", "assertStartsWith": "assertNotStartsWith",
    "assertEndsWith": "assertNotEndsWith", "assertLogs": "assertNoLogs",
}  # fmt: skip
_RENAMED |= {new: old for old, new in _RENAMED.items()} | {"assertNotEqual": "assertEqual"}
_EQUAL = frozenset(
    f"assert{kind}" for kind in ("Equal", "Equals", "ListEqual", "DictEqual", "TupleEqual", "SetEqual", "SequenceEqual",
                                 "MultiLineEqual", "CountEqual", "ItemsEqual", "Is", "AlmostEqual")
)  # fmt: skip
_CLOSE = frozenset({"isclose", "allclose", "array_equal", "array_equiv", "approx"})
_ARRAYS = frozenset(
    f"assert_{kind}" for kind in ("equal", "array_equal", "almost_equal", "array_almost_equal", "allclose",
                                  "frame_equal", "series_equal", "index_equal", "approx_equal")
)  # fmt: skip
_RAISING = frozenset({"assertRaises", "assertRaisesRegex", "assertWarns", "assertWarnsRegex", "raises", "warns"})
_WIDEST = 0.2  # relative tolerances up to here are exceeded by every number that moves far


@frozen
class Names:
    """What a function's names stand for, besides what it assigns itself.

    Attributes:
        columns: expressions that each name stands for in turn, in a loop or by parametrization.
        edits: what else must change when a column of a parametrization does; None if it may not change.
    """

    columns: Mapping[str, list[ast.expr]]
    edits: Callable[[str], tuple[Edit, ...] | None]


def failing(file: TestFile, test: ast.expr, names: Names) -> Change:
    """How the truth of `test` becomes false."""
    match test:
        case ast.Compare(ops=ops) if all(isinstance(op, ast.Eq) for op in ops):
            return _unequal(file, test, names)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _compared(file, left, op, right, test, names)
        case ast.BoolOp(op=ast.And(), values=values):
            return _best([failing(file, value, names) for value in values])
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Change(3, (file.replace(test, f"({file.written(operand)})"),))
        case ast.Call(func=function, args=[first, second, *_]) if last(function) in _CLOSE:
            for side in (second, first):
                new = file.altered(side, tolerant=True) if _is_narrow(file, test) else None
                if new is not None:
                    return Change(0, (file.replace(side, new),))
    return Change(3, (file.replace(test, f"(not ({file.written(test)}))"),))


def called(file: TestFile, call: ast.Call, names: Names) -> Change | None:
    """How an assertion that is a call fails: unittest's methods and numpy's functions; None if it is neither."""
    name = last(call.func)
    if name in _EQUAL and isinstance(call.func, ast.Attribute) and len(call.args) >= 2:
        tolerant = name == "assertAlmostEqual"
        if not tolerant or _is_narrow(file, call):
            for side in (call.args[1], call.args[0]):
                edits = expected(file, side, names, tolerant=tolerant)
                if edits:
                    return Change(0, edits)
        if name in _RENAMED:
            return _renamed(file, call.func, _RENAMED[name], rank=3)
        return Change(1, (file.wrapped(call.args[1]),))
    if name in {"assertTrue", "assertFalse"} and isinstance(call.func, ast.Attribute) and call.args:
        if name == "assertTrue":
            change = failing(file, call.args[0], names)
            if change.rank < 3:
                return change
        return _renamed(file, call.func, _RENAMED[name], rank=3)
    if name in {"assertIn", "assertNotIn"} and len(call.args) >= 2:
        op = ast.In() if name == "assertIn" else ast.NotIn()
        change = _compared(file, call.args[0], op, call.args[1], call, names)
        return change if change.rank == 0 else _renamed(file, call.func, _RENAMED[name], rank=3)
    if name in _RAISING:
        return raising(file, call)
    if name in _RENAMED and isinstance(call.func, ast.Attribute) and call.args:
        return _renamed(file, call.func, _RENAMED[name], rank=2 if name == "assertNotEqual" else 3)
    if name in _ARRAYS and len(call.args) >= 2 and _is_narrow(file, call):
        for side in (call.args[1], call.args[0]):
            new = file.altered(side, tolerant=True)
            if new is not None:
                return Change(0, (file.replace(side, new),))
        return Change(1, (file.wrapped(call.args[1]),))
    return None


def raising(file: TestFile, call: ast.Call) -> Change | None:
    """How a call that expects an exception or a warning fails: it expects another; None if it is no such call."""
    name = last(call.func)
    if name not in _RAISING and "raises" not in name.lower():
        return None
    keywords = [k.value for k in call.keywords if k.arg in {"expected_exception", "expected_warning", "exception"}]
    kind = next(iter([*call.args[:1], *keywords]), None)
    if kind is None or isinstance(kind, ast.Starred) or (name not in _RAISING and not _is_exception(kind)):
        return None
    taken = {each.id for each in ast.walk(kind) if isinstance(each, ast.Name)}
    choices = [each for each in (WARNINGS if "arns" in name else EXCEPTIONS) if each not in taken]
    if not choices or taken & {"Warning", "OSError"}:
        choices = ["StopAsyncIteration"] if "arns" not in name else []
    return Change(2, (file.replace(kind, file.chance.choice(choices)),)) if choices else None


def expected(
    file: TestFile, node: ast.expr, names: Names, *, tolerant: bool = False, depth: int = 0
) -> tuple[Edit, ...] | None:  # fmt: skip
    """The edits that make an expected value another one, at its source; None if that cannot be done."""
    match node:
        case ast.Call(func=function, args=[value, *_]) if last(function) == "approx":
            return expected(file, value, names, tolerant=True) if _is_narrow(file, node) else None
        case ast.Name(id=name) if depth < 2:
            return _named(file, node, name, names, tolerant=tolerant)
        case ast.Name() | ast.Attribute() | ast.Subscript() | ast.Call() | ast.Await():
            return None
    new = file.altered(node, tolerant=tolerant)
    return None if new is None else (file.replace(node, new),)


def _named(
    file: TestFile, node: ast.Name, name: str, names: Names, *, tolerant: bool
) -> tuple[Edit, ...] | None:  # fmt: skip
    scope = file.scope(node)
    only_expected = all(file.is_expected(load) for load in file.loads(scope, name))
    if name in names.columns:
        further = names.edits(name) if only_expected else None
        if further is None:
            return None
        found: list[Edit] = list(further)
        for each in dict.fromkeys(names.columns[name]):
            edits = None if isinstance(each, ast.Name) else expected(file, each, names, tolerant=tolerant, depth=1)
            if edits is None:
                return None
            found += edits
        return tuple(found) or None
    value: ast.expr | None = file.assigned(scope, name)
    if value is None and not file.stores(scope, name) and not _is_parameter(scope, name):
        value, scope = file.assigned(file.tree, name), file.tree
        only_expected = all(file.is_expected(load) for load in file.loads(file.tree, name))
    if value is None or isinstance(value, ast.Name):
        return None
    if only_expected:
        return expected(file, value, names, tolerant=tolerant, depth=1)
    if file.immutable(value) and not tolerant:
        new = file.altered(value)
        return None if new is None else (file.replace(node, new),)
    return None


def _unequal(file: TestFile, test: ast.Compare, names: Names) -> Change:
    sides = [test.left, *test.comparators]
    literal = [side for side in sides if not isinstance(side, ast.Name)]
    for side in (*reversed(literal), *(each for each in reversed(sides) if isinstance(each, ast.Name))):
        edits = expected(file, side, names)
        if edits:
            return Change(0, edits)
    return Change(1, (file.wrapped(sides[-1]),))


def _compared(
    file: TestFile, left: ast.expr, op: ast.cmpop, right: ast.expr, test: ast.expr, names: Names
) -> Change:  # fmt: skip
    match op, left, right:
        case ast.Is(), _, ast.Constant(value=bool() | None as value):
            return Change(0, (file.replace(right, "True" if value is None else str(not value)),))
        case ast.Is(), _, _:
            edits = expected(file, right, names)
            if edits and isinstance(right, ast.Name):
                return Change(0, edits)
        case ast.In(), ast.Constant(value=str() as value), _:
            return Change(0, (file.replace(left, repr(value + letters(file.chance) * 2)),))
        case ast.In(), _, ast.List() | ast.Tuple() | ast.Set():
            try:
                items = among_none(list(file.value(right)), file.chance)
                return Change(0, (file.replace(right, source(tuple(items))),)) if items else _flipped(
                    file, left, op, right, test)  # fmt: skip
            except (NotConstant, TypeError):
                pass
    return _flipped(file, left, op, right, test)


def _flipped(file: TestFile, left: ast.expr, op: ast.cmpop, right: ast.expr, test: ast.expr) -> Change:
    new = f"({_operand(file, left)} {_FLIPPED[type(op)]} {_operand(file, right)})"
    return Change(2 if isinstance(op, ast.NotEq) else 3, (file.replace(test, new),))


def _operand(file: TestFile, node: ast.expr) -> str:
    simple = isinstance(node, ast.Name | ast.Constant | ast.Call | ast.Attribute | ast.Subscript)
    return file.written(node) if simple else f"({file.written(node)})"


def _renamed(file: TestFile, function: ast.expr, new: str, rank: int) -> Change:
    end = file.end(function)
    return Change(rank, ((end - len(last(function)), end, new),))


def _best(changes: list[Change]) -> Change:
    rank = min(change.rank for change in changes)
    return Change(rank, tuple(edit for change in changes if change.rank == rank for edit in change.edits))


def _is_narrow(file: TestFile, call: ast.Call) -> bool:
    """Whether the tolerances of a comparison are known and small enough for `far` to exceed them."""
    given = list(call.keywords)
    if last(call.func) in {"approx", "assert_allclose", "allclose"}:
        given += [ast.keyword("rel", each) for each in call.args[1 if last(call.func) == "approx" else 2 :]]
    for each in given:
        if each.arg in {"msg", "err_msg", "places", "decimal", "nan_ok", "equal_nan", "verbose", "strict"}:
            continue
        try:
            value = file.value(each.value)
        except NotConstant:
            return False
        absolute = each.arg in {"abs", "abs_tol", "atol", "delta"}
        if value is not None and not (isinstance(value, int | float) and value <= (1000 if absolute else _WIDEST)):
            return False
    return True


def _is_exception(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and last(node).endswith(("Error", "Exception"))


def _is_parameter(scope: ast.AST, name: str) -> bool:
    return isinstance(scope, Definition) and any(a.arg == name for a in ast.walk(scope.args) if isinstance(a, ast.arg))
