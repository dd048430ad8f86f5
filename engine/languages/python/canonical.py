"""A form of functions that is equal for texts that differ only in layout, comments and names of locals."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from engine.languages.python.syntax import tree_of

_ASKS_FOR_NAMES = frozenset({"locals", "vars", "dir", "eval", "exec", "globals"})
_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def canonical(source: str) -> str:
    """The form of one function's source.  Where it does not parse, its words.

    Parameters keep their names, since callers may use them; so does everything in a function that asks for names
    (`locals()` and the like).
    """
    try:
        tree = tree_of(source)
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if not names & _ASKS_FOR_NAMES:
            _Renamer().visit(tree)
        return ast.dump(_Plain().visit(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return " ".join(source.split())


class _Plain(ast.NodeTransformer):
    """Leaves out what does nothing: annotations of locals, `pass` and constants that stand alone in a longer body."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self.generic_visit(node)
        docstring = ast.get_docstring(node, clean=False) is not None
        head, rest = (node.body[:1], node.body[1:]) if docstring else ([], node.body)
        kept = [statement for statement in rest if not _is_idle(statement)]
        node.body = [*head, *kept] or [ast.Pass()]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.target, ast.Name) or node.value is None:
            return node
        return ast.Assign([node.target], node.value)


def _is_idle(statement: ast.stmt) -> bool:
    is_constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass) or is_constant


class _Renamer(ast.NodeTransformer):
    """Numbers the locals of each function in the order in which they are bound."""

    def __init__(self) -> None:
        self._scopes: list[dict[str, str]] = []
        self._count = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        node.name = self._name(node.name)
        self._enter(node)
        node.args = self.visit(node.args)
        node.body = [self.visit(statement) for statement in node.body]
        self._scopes.pop()
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self._enter(node)
        self.generic_visit(node)
        self._scopes.pop()
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Names in its body are attributes; its methods see the enclosing function's locals."""
        own = {name: name for name in _bound(node.body)}
        node.name = self._name(node.name)
        self._scopes.append(own)
        self.generic_visit(node)
        self._scopes.pop()
        return node

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, _COMPREHENSIONS):
            return super().visit(node)
        targets = [name for each in node.generators for name in _stored(each.target)]
        self._scopes.append({name: self._fresh() for name in dict.fromkeys(targets)})
        self.generic_visit(node)
        self._scopes.pop()
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._name(node.id)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = self._name(node.name) if node.name else None
        self.generic_visit(node)
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        node.names = [self._name(name) for name in node.names]
        return node

    def visit_alias(self, node: ast.alias) -> ast.AST:
        if self._scopes and node.name != "*":
            bound = node.asname or node.name.partition(".")[0]
            if "." not in node.name or node.asname:
                node.asname = self._name(bound)
        return node

    def visit_MatchAs(self, node: ast.MatchAs) -> ast.AST:
        node.name = self._name(node.name) if node.name else None
        self.generic_visit(node)
        return node

    def visit_MatchStar(self, node: ast.MatchStar) -> ast.AST:
        node.name = self._name(node.name) if node.name else None
        return node

    def visit_MatchMapping(self, node: ast.MatchMapping) -> ast.AST:
        node.rest = self._name(node.rest) if node.rest else None
        self.generic_visit(node)
        return node

    def _enter(self, node: _Scope) -> None:
        arguments = node.args
        listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        parameters = {each.arg: each.arg for each in listed if each is not None}
        if isinstance(node, ast.Lambda):
            self._scopes.append(parameters)
            return
        outer = _declared(node.body)
        names = (name for name in _bound(node.body) if name not in parameters and name not in outer)
        self._scopes.append({**parameters, **{name: self._fresh() for name in names}})

    def _fresh(self) -> str:
        self._count += 1
        return f"_{self._count}"

    def _name(self, name: str) -> str:
        return next((scope[name] for scope in reversed(self._scopes) if name in scope), name)


def _declared(body: list[ast.stmt]) -> set[str]:
    """Names that the scope declares to be another's."""
    nodes = (node for statement in body for node in _inside(statement))
    return {name for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names}


def _bound(body: list[ast.stmt]) -> list[str]:
    """Names that statements bind in their own scope, in order, each once."""
    found: dict[str, None] = {}
    for statement in body:
        for node in _inside(statement):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                found[node.id] = None
            elif isinstance(node, _NAMED) and node.name:
                found[node.name] = None
            elif isinstance(node, ast.MatchMapping) and node.rest:
                found[node.rest] = None
            elif isinstance(node, ast.alias) and (node.asname or "." not in node.name) and node.name != "*":
                found[node.asname or node.name] = None
    return list(found)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """The node and what is below it in the same scope; of a comprehension only what `:=` binds."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        return
    if isinstance(node, _COMPREHENSIONS):
        walrus = (each for each in ast.walk(node) if isinstance(each, ast.NamedExpr))
        yield from (each.target for each in walrus)
        return
    for child in ast.iter_child_nodes(node):
        yield from _inside(child)


def _stored(target: ast.expr) -> Iterator[str]:
    return (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
