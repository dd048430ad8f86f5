"""What the loops of a test file go through, as far as that can be read."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.languages.python.folding import NotConstant, fold
from engine.languages.python.testfile import TestFile

Row = ast.expr | tuple[ast.expr, ...]


def rows(file: TestFile, scope: ast.AST, node: ast.expr) -> list[Row]:
    """What a loop over `node` goes through, if that can be read; else nothing."""
    match node:
        case ast.List(elts=elts) | ast.Tuple(elts=elts) | ast.Set(elts=elts):
            return [] if any(isinstance(each, ast.Starred) for each in elts) else list(elts)
        case ast.Name(id=name):
            value = file.assigned(scope, name)
            if value is None and not file.stores(scope, name):
                value = file.assigned(file.tree, name)
            changed = any(_is_changed(file, load) for load in file.loads(file.tree, name))
            return [] if value is None or changed or isinstance(value, ast.Name) else rows(file, scope, value)
        case ast.Call(func=ast.Name(id="enumerate"), args=[inner, *_]):
            index = ast.copy_location(ast.Name("_", ast.Load()), node)
            return [(index, row) if isinstance(row, ast.expr) else (index, ast.Tuple(list(row), ast.Load()))
                    for row in rows(file, scope, inner)]  # fmt: skip
        case ast.Call(func=ast.Name(id="zip"), args=args):
            columns = [rows(file, scope, each) for each in args]
            return [tuple(each for each in row if isinstance(each, ast.expr)) for row in zip(*columns, strict=False)]
        case ast.Call(func=ast.Attribute(value=inner, attr="items"), args=[]):
            table = inner
            if isinstance(inner, ast.Name):
                table = file.assigned(scope, inner.id) or file.assigned(file.tree, inner.id) or inner
            if isinstance(table, ast.Dict) and None not in table.keys:
                return [(k, v) for k, v in zip(table.keys, table.values, strict=True) if k is not None]
        case ast.Call(func=ast.Name(id="range"), args=args):
            try:
                return [node] * min(len(range(*(int(fold(each)) for each in args))), 1)
            except (NotConstant, TypeError, ValueError):
                return []
    return []


def bound(target: ast.expr, row: Row) -> Iterator[tuple[str, ast.expr]]:
    """The names that a loop's target binds for one row."""
    match target:
        case ast.Name(id=name) if isinstance(row, ast.expr):
            yield name, row
        case ast.Tuple(elts=elts) | ast.List(elts=elts):
            parts = row if isinstance(row, tuple) else row.elts if isinstance(row, ast.Tuple | ast.List) else ()
            if len(parts) == len(elts) and not any(isinstance(each, ast.Starred) for each in elts):
                for part, value in zip(elts, parts, strict=True):
                    yield from bound(part, value)


def _is_changed(file: TestFile, node: ast.Name) -> bool:
    """Whether what a name stands for is changed by what is done with it there."""
    parent = file.parents.get(node)
    if isinstance(parent, ast.Attribute):
        return parent.attr not in {"items", "keys", "values", "copy", "get", "index", "count"}
    return isinstance(parent, ast.Subscript) and not isinstance(parent.ctx, ast.Load)
