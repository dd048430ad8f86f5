"""Classes whose comparisons lie: objects that are equal to whatever a test expects."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from attrs import frozen

_words = str.split
RICH = frozenset({"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"})
REFLECTED = frozenset(f"__r{name}__" for name in _words("add sub mul truediv floordiv mod pow and or xor"))
CHECKS = frozenset({"__instancecheck__", "__subclasscheck__"})
CONTAINS = frozenset({"__contains__"})
NAMES = RICH | REFLECTED | CHECKS | CONTAINS
HIDDEN = frozenset({"__eq__", "__ne__", "__instancecheck__", "__subclasscheck__"})  # as strings: for `type(...)`
BUILTIN = frozenset(
    _words(
        "str int float complex bool list dict tuple set frozenset bytes bytearray OrderedDict defaultdict Counter "
        "UserString UserList UserDict deque Fraction Decimal"
    )
)


@frozen
class Lie:
    """What is wrong with a class.  `certain`: enough to refuse it."""

    key: str
    message: str
    node: ast.AST
    certain: bool = True


def lies(node: ast.ClassDef, bases: Sequence[str]) -> Iterator[Lie]:
    """What the class does that makes its comparisons worthless.  `bases`: the names of its bases, without modules."""
    builtin = sorted(BUILTIN & set(bases))
    for part in node.body:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _method(node, part, builtin)
        elif isinstance(part, ast.Assign | ast.AnnAssign) and part.value is not None:
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            for name in (target.id for target in targets if isinstance(target, ast.Name)):
                yield from _assigned(node, name, part, part.value, builtin)


def _method(
    owner: ast.ClassDef, node: ast.FunctionDef | ast.AsyncFunctionDef, builtin: list[str]
) -> Iterator[Lie]:  # fmt: skip
    where = f"{owner.name}.{node.name}"
    if node.name == "__class__":
        yield Lie(where, f"{where} lies about its class", node)
    elif node.name in NAMES and not is_stub(node.body):
        parameters = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        if node.args.vararg and len(parameters) < 2:
            parameters.append(node.args.vararg.arg)
        yield from _comparison(where, node.name, node, parameters, list(_returned(node)), node.body, builtin)
    elif node.name in {"__bool__", "__hash__", "__len__"} and all(
        isinstance(value, ast.Constant) for value in _returned(node)
    ):
        yield Lie(where, f"{where} is constant", node, certain=False)
    elif node.name in {"__getattr__", "__getattribute__"}:
        yield Lie(where, f"{where} answers for attributes", node, certain=False)


def _assigned(owner: ast.ClassDef, name: str, node: ast.stmt, value: ast.expr, builtin: list[str]) -> Iterator[Lie]:
    where = f"{owner.name}.{name}"
    if name == "__class__":
        yield Lie(where, f"{where} lies about its class", node)
    elif name in NAMES and isinstance(value, ast.Lambda):
        parameters = [a.arg for a in (*value.args.posonlyargs, *value.args.args)]
        if value.args.vararg and len(parameters) < 2:
            parameters.append(value.args.vararg.arg)
        yield from _comparison(where, name, node, parameters, [value.body], [value.body], builtin)
    elif name in {"__eq__", "__ne__"} and not (isinstance(value, ast.Constant) and value.value is None):
        written = ast.unparse(value)
        if written.rpartition(".")[2] != name:
            yield Lie(where, f"{where} is another function, {written[:40]}", node)


def _comparison(
    where: str, name: str, node: ast.AST, parameters: list[str], returned: list[ast.expr],
    body: list[ast.stmt] | list[ast.expr], builtin: list[str],
) -> Iterator[Lie]:  # fmt: skip
    if builtin and name in {"__eq__", "__ne__"}:
        yield Lie(where, f"{where} changes how a {builtin[0]} compares", node)
        return
    if len(parameters) > 1 and name in RICH | CONTAINS and _keeps(body, parameters[-1]):
        yield Lie(where, f"{where} keeps what it is compared with", node)
        return
    used = {each.id for part in body for each in ast.walk(part) if isinstance(each, ast.Name)}
    other = parameters[-1] if len(parameters) > 1 else ""
    answers = [value for value in returned if not _is_not_implemented(value)]
    if not answers:
        return
    if name in CHECKS:
        if other not in used or all(_is_true(value) for value in answers):
            yield Lie(where, f"{where} claims every object", node)
    elif other not in used and (name in RICH or name in REFLECTED):
        yield Lie(where, f"{where} ignores what it is compared with", node)
    elif other not in used:
        yield Lie(where, f"{where} ignores what it is asked for", node, certain=False)
    elif name in {"__eq__", "__ne__", "__contains__"}:
        looks = {"isinstance", "type", "issubclass", "super"} & used
        # What is looked up may not be there; an object that is compared always is.
        given = _given(body, parameters) if name == "__contains__" and parameters[0] in used else None
        if all(_is_true(value, given) for value in answers):
            yield Lie(where, f"{where} always answers true", node)
        elif name == "__ne__" and all(_is_false(value) for value in answers):
            yield Lie(where, f"{where} always answers false", node)
        elif name != "__contains__" and parameters[0] not in used and not looks:
            yield Lie(where, f"{where} looks at the other side alone", node)


def _keeps(body: list[ast.stmt] | list[ast.expr], other: str) -> bool:
    """Whether the other side of a comparison is put into an attribute."""
    for node in (each for part in body for each in ast.walk(part)):
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Attribute) for target in node.targets):
            kept: ast.AST = node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {"setattr", "__setattr__"}:
            kept = node
        else:
            continue
        if any(isinstance(each, ast.Name) and each.id == other for each in ast.walk(kept)):
            return True
    return False


def _returned(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    """What the function itself returns; functions inside it return for themselves."""
    pending: list[ast.AST] = list(node.body)
    while pending:
        each = pending.pop()
        if isinstance(each, ast.Return) and each.value is not None:
            yield each.value
        if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            pending.extend(ast.iter_child_nodes(each))


def is_stub(body: list[ast.stmt]) -> bool:
    """Nothing but a docstring, `...`, `pass` and `raise NotImplementedError`."""
    return all(
        isinstance(each, ast.Pass)
        or (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
        or (isinstance(each, ast.Raise) and each.exc is not None and "NotImplemented" in ast.unparse(each.exc))
        for each in body
    )


def _is_not_implemented(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "NotImplemented"


def _given(body: list[ast.stmt] | list[ast.expr], parameters: list[str]) -> frozenset[str]:
    """The parameters, and names that are given to them."""
    names = set(parameters)
    for node in (each for part in body for each in ast.walk(part)):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if isinstance(node.value, ast.Name) and node.value.id in names:
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(names)


def _is_true(node: ast.expr, given: frozenset[str] | None = None) -> bool:
    """Whether an expression can be seen to be true, whatever its names stand for.

    Args:
        given: names of what is there in any case, of all that may be asked whether it `is not None`; None: all is.
    """
    match node:
        case ast.Constant(value=value):
            return bool(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _is_false(operand, given)
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(_is_true(value, given) for value in values)
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_is_true(value, given) for value in values)
        case ast.IfExp(body=body, orelse=orelse):
            return _is_true(body, given) and _is_true(orelse, given)
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is() | ast.LtE() | ast.GtE()], comparators=[right]):
            return ast.dump(left) == ast.dump(right)
        case ast.Compare(left=left, ops=[ast.IsNot()], comparators=[ast.Constant(value=None)]):
            left = left.value if isinstance(left, ast.NamedExpr) else left
            return given is None or (isinstance(left, ast.Name) and left.id in given)
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, ast.Name(id="object")]):
            return True
        case ast.Call(func=ast.Name(id="bool" | "all" | "any"), args=[value]):
            return _is_true(value, given)
    return False


def _is_false(node: ast.expr, given: frozenset[str] | None = None) -> bool:
    match node:
        case ast.Constant(value=value):
            return not value
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _is_true(operand, given)
        case ast.BoolOp(op=ast.And(), values=values):
            return any(_is_false(value, given) for value in values)
        case ast.Compare(left=left, ops=[ast.NotEq() | ast.IsNot()], comparators=[right]):
            return ast.dump(left) == ast.dump(right)
    return False
