"""Recognises a function that answers the tests' own inputs from a table instead of computing.

Such a candidate passes honestly and is worthless: `if number == 4: return "IV"`, once for every test.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from engine.languages.base import Function
from engine.languages.python.splicing import dedented

_FEWEST = 3  # special cases of one or two inputs are honest more often than not


def copied_answers(text: str, functions: Sequence[Function], tests: Sequence[str]) -> int:
    """How many input-output pairs the functions hold as constants, if all of these are constants of the tests.

    0 where there are fewer than three, or one that the tests do not know (a table that says more than the tests).
    """
    known = {key for source in tests for key in _constants(source)}
    pairs: list[tuple[str, str]] = []
    for function in functions:
        try:
            tree = ast.parse(dedented(text, function).removeprefix("\ufeff"))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        pairs += _pairs(tree)
    told = len(pairs) >= _FEWEST and all(key in known and answer in known for key, answer in pairs)
    return len(pairs) if told else 0


def _constants(source: str) -> set[str]:
    try:
        nodes = ast.walk(ast.parse(source.removeprefix("\ufeff")))
        return {ast.dump(node) for node in nodes if isinstance(node, ast.Constant | ast.List | ast.Tuple)}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()


def _pairs(tree: ast.AST) -> list[tuple[str, str]]:
    """(input, answer) wherever a parameter's value leads straight to a constant."""
    function = next((n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)), None)
    if function is None:
        return []
    parameters = {a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)}
    pairs: list[tuple[str, str]] = []
    for node in ast.walk(function):
        if isinstance(node, ast.If):
            key = _compared(node.test, parameters)
            answer = node.body[0].value if len(node.body) == 1 and isinstance(node.body[0], ast.Return) else None
        elif isinstance(node, ast.IfExp):
            key, answer = _compared(node.test, parameters), node.body
        elif isinstance(node, ast.match_case):
            key = node.pattern.value if isinstance(node.pattern, ast.MatchValue) else None
            answer = node.body[0].value if len(node.body) == 1 and isinstance(node.body[0], ast.Return) else None
        elif isinstance(node, ast.Dict) and _is_looked_up(node, function, parameters):
            for dict_key, value in zip(node.keys, node.values, strict=True):
                if dict_key is not None and _is_plain(dict_key) and _is_plain(value):
                    pairs.append((ast.dump(dict_key), ast.dump(value)))
            continue
        else:
            continue
        if key is not None and answer is not None and _is_plain(answer):
            pairs.append((ast.dump(key), ast.dump(answer)))
    return pairs


def _compared(test: ast.expr, parameters: set[str]) -> ast.expr | None:
    """The constant that a parameter is compared with for equality."""
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return None
    sides = [test.left, test.comparators[0]]
    names = [side for side in sides if isinstance(side, ast.Name) and side.id in parameters]
    constants = [side for side in sides if _is_plain(side)]
    return constants[0] if len(names) == len(constants) == 1 else None


def _is_plain(node: ast.expr) -> bool:
    if isinstance(node, ast.List | ast.Tuple):
        return all(_is_plain(item) for item in node.elts)
    return isinstance(node, ast.Constant)


def _is_looked_up(table: ast.Dict, function: ast.AST, parameters: set[str]) -> bool:
    """Whether the literal is indexed by a parameter on the spot: `{...}[x]`, `{...}.get(x)`."""
    for node in ast.walk(function):
        if isinstance(node, ast.Subscript) and node.value is table:
            return isinstance(node.slice, ast.Name) and node.slice.id in parameters
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.value is table:
            return bool(node.args) and isinstance(node.args[0], ast.Name) and node.args[0].id in parameters
    return False
