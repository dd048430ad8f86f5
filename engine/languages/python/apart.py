"""The two texts of a split run: one whose target calls out, and one whose target can be called from outside."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from engine.languages.base import Function, Solution, Target, TextEdit, apply_edits
from engine.languages.python.folding import NotConstant, fold
from engine.languages.python.source import parse
from engine.languages.python.splicing import dedented, splice
from engine.languages.python.syntax import tree_of

CALL = '__import__("builtins").__greenfinch_remote__'
MARK = '__import__("builtins").__greenfinch_export__'


def caller(text: str, target: Target) -> str | None:
    """The text with target functions that hand their arguments to `__greenfinch_remote__(name, args, kwargs)`.

    None if a signature cannot be read.
    """
    bodies = {}
    for function in target.functions:
        node = _definition(text, function)
        if node is None:
            return None
        bodies[function.qualname] = f"return {CALL}({function.qualname!r}, {_passed_on(node.args)})"
    return apply_edits(text, splice(text, target, Solution(bodies)))


def callee(text: str, names: Sequence[str]) -> str | None:
    """The text with the functions `names` marked for calls from outside, undecorated as they are written.

    None if one of them is not defined by a `def` of that name.
    """
    functions = {function.qualname: function for function in parse(text).functions}
    edits = []
    for name in names:
        function = functions.get(name)
        node = _definition(text, function) if function is not None else None
        if function is None or node is None:
            return None
        start = function.start
        for _ in range(node.lineno - 1):
            start = text.index("\n", start) + 1
        start += len(text[start:]) - len(text[start:].lstrip(" \t\f"))
        indent = text[text.rfind("\n", 0, start) + 1 : start].removeprefix("\ufeff")
        if indent.strip():
            return None  # the definition shares its line with something else
        edits.append(TextEdit(start, start, f"@{MARK}({name!r})\n{indent}"))
    return apply_edits(text, tuple(edits))


def rest_is_kept(before: str, after: str, target: Target) -> bool:
    """Whether everything that `before` defines beside the target is in `after` as it was; more may have been added."""
    try:
        trees = [tree_of(text) for text in (before, after)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    names = {function.qualname for function in target.functions}
    old, new = ([ast.dump(_without(node, names, "")) for node in tree.body] for tree in trees)
    remaining = iter(new)
    return all(any(each == found for found in remaining) for each in old)


def variables(text: str) -> tuple[str, ...]:
    """See `Language.variables`."""
    try:
        tree = tree_of(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    found = [name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names]
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and not _is_fixed(node.value):
            names = (each for each in ast.walk(node) if isinstance(each, ast.Name))
            found += [each.id for each in names if isinstance(each.ctx, ast.Store)]
    return tuple(dict.fromkeys(found))


def _is_fixed(value: ast.expr) -> bool:
    try:
        return isinstance(fold(value), str | bytes | int | float | complex | tuple | type(None))
    except NotConstant:
        return False


def _without(node: ast.stmt, names: set[str], prefix: str) -> ast.stmt:
    """The statement, with the bodies of the target's functions left out."""
    if isinstance(node, ast.ClassDef):
        node.body = [_without(each, names, f"{prefix}{node.name}.") for each in node.body]
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and f"{prefix}{node.name}" in names:
        node.body, node.returns = [], None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
    return node


def _definition(text: str, function: Function) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    try:
        node = tree_of(dedented(text, function)).body[0]
    except (SyntaxError, ValueError, IndexError, RecursionError, MemoryError):
        return None
    return node if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else None


def _passed_on(arguments: ast.arguments) -> str:
    """The parameters as `(positional, ...), {"keyword": ...}`."""
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    if arguments.vararg:
        positional.append(f"*{arguments.vararg.arg}")
    named = [f"{argument.arg!r}: {argument.arg}" for argument in arguments.kwonlyargs]
    if arguments.kwarg:
        named.append(f"**{arguments.kwarg.arg}")
    return f"({', '.join(positional)}{',' if positional else ''}), {{{', '.join(named)}}}"
