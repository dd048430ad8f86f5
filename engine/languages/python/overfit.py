"""Recognises a function that answers the tests' own inputs from a table instead of computing.

Such a candidate passes honestly and is worthless: `if number == 4: return "IV"`, once for every test.  Where the user
has written beside the tests what goes in and what comes out (`"red", "yellow" or "green"`), a table may be all there is
to do.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from types import UnionType
from typing import Any

from engine.languages.base import Function
from engine.languages.python.folding import NotConstant, fold
from engine.languages.python.splicing import dedented
from engine.languages.python.syntax import tree_of

_FEWEST = 3  # special cases of one or two inputs are honest more often than not


def copied_answers(
    text: str, before: str, functions: Sequence[Function], tests: Sequence[str], given: Sequence[Function] = ()
) -> int:
    """How many input-output pairs the functions hold as constants, if all of these are constants of the tests.

    0 where there are fewer than three, or one that the tests do not know (a table that says more than the tests), or
    where the user has named all of them beside the tests, in the text `before` or its functions `given`.
    """
    known = {key for source in tests for key in _constants(source)}
    pairs = _pairs_of(text, before, functions)
    copied = len(pairs) >= _FEWEST and all(ast.dump(each) in known for pair in pairs for each in pair)
    return len(pairs) if copied and not (given and _are_named(pairs, before, given, tests)) else 0


def _pairs_of(text: str, before: str, functions: Sequence[Function]) -> list[tuple[ast.expr, ast.expr]]:
    pairs: list[tuple[ast.expr, ast.expr]] = []
    users = _dumped(_module_tables(before))
    outside = [node for node in _module_tables(text) if ast.dump(node) not in users]
    for function in functions:
        try:
            tree = tree_of(dedented(text, function))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        pairs += _pairs(tree, outside)
    return pairs


def _are_named(
    pairs: Sequence[tuple[ast.expr, ast.expr]], before: str, given: Sequence[Function], tests: Sequence[str]
) -> bool:
    """Whether the inputs are words that the docstrings have, or all that one annotation or constant of the module
    lists, and each answer stands in one of these.
    """
    prose = "\n".join(map(_prose, given))
    listed = list(_listed(before, {function.name for function in given}, in_module=before not in tests))
    inputs = {ast.dump(key) for key, _ in pairs}
    words = all(_is_word(key, prose, str) for key, _ in pairs)
    told = set().union(*listed)
    return (words or inputs in listed) and all(
        ast.dump(answer) in told or _is_word(answer, prose, str | int | float) for _, answer in pairs
    )


def _prose(function: Function) -> str:
    """The docstring without what is as good as a test: interpreter sessions, and lines that call the function."""
    text = re.sub(r"^[ \t]*>>>.*(?:\n[ \t]*\S.*)*", "", function.docstring or "", flags=re.M)
    return "\n".join(line for line in text.splitlines() if f"{function.name}(" not in line)


def _is_word(node: ast.expr, prose: str, kind: type | UnionType) -> bool:
    """Whether a constant stands in a text by itself."""
    if not (isinstance(node, ast.Constant) and isinstance(node.value, kind)):
        return False
    return node.value != "" and re.search(rf"(?<!\w){re.escape(str(node.value))}(?!\w)", prose) is not None


def _listed(before: str, names: set[str], *, in_module: bool) -> Iterator[set[str]]:
    """What the annotations of these functions list, and, if `in_module`, the constants and classes of the module."""
    try:
        tree = tree_of(before)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    places: list[ast.AST | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in names:
            places += [*(each.annotation for each in ast.walk(node.args) if isinstance(each, ast.arg)), node.returns]
    for node in tree.body if in_module else ():
        if isinstance(node, ast.Assign | ast.AnnAssign):
            places.append(node.value)
        elif isinstance(node, ast.ClassDef):  # an Enum's members
            yield _dumped(each.value for each in node.body if isinstance(each, ast.Assign))
    for place in places:
        for each in ast.walk(place) if place is not None else ():
            match each:
                case ast.List(elts=elts) | ast.Tuple(elts=elts) | ast.Set(elts=elts):
                    yield _dumped(elts)
                case ast.Dict(keys=keys, values=values):
                    yield _dumped(key for key in keys if key is not None)
                    yield _dumped(values)


def _dumped(nodes: Iterable[ast.AST]) -> set[str]:
    return {ast.dump(node) for node in nodes}


def held_answers(text: str, before: str, expected: Sequence[Any], *, computes: bool = False) -> int:
    """How many of the values that tests expect of a function stand as constants in `text` but not in `before`; 0 unless
    these are nearly all (all of several, if it `computes` answers to other inputs), and say more than chance does.
    """
    often = Counter(repr(value) for value in expected if _weight(value))
    # What is expected more than once is a label, and no answer to one question.
    told = {repr(value): value for value in expected if often[repr(value)] == 1}
    new = _values(text) - _values(before)
    held = {key: value for key, value in told.items() if key in new}
    missing = len(told) - len(held)
    if sum(map(_weight, held.values())) < _FEWEST or 2 * len(held) <= len(often):
        return 0
    enough = not missing and len(held) > 1 if computes else missing <= (len(told) > _FEWEST)
    return len(held) if enough else 0


def takes_nothing(text: str, function: Function) -> bool:
    """Whether a function has no parameters, so that it can have but one answer."""
    try:
        tree = tree_of(dedented(text, function))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not ast.unparse(node.args)
        for node in ast.walk(tree)
    )


def _weight(value: Any) -> int:
    """How much it says that a value is held: little ones come up by themselves."""
    match value:
        case str():
            return 0 if len(value) < 2 else 1 if len(value) < 8 else _FEWEST
        case bool() | None:
            return 0
        case int() | float():
            return int(abs(value) >= 10 or value % 1 != 0)
        case list() | tuple() | dict() | set() | frozenset():
            return _FEWEST if len(value) > 1 else 0
    return 0


def _values(source: str) -> set[str]:
    """All values that constant expressions of a source have, as `repr` gives them; docstrings are searched for them."""
    found: set[str] = set()
    try:
        nodes = list(ast.walk(tree_of(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return found
    for node in nodes:
        if isinstance(node, ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Set | ast.BinOp | ast.UnaryOp):
            try:
                value = fold(node)
            except NotConstant:
                continue
            found.add(repr(value))
            if isinstance(value, list | tuple):
                found |= {repr(tuple(value)), repr(list(value))}
    return found


def _constants(source: str) -> set[str]:
    try:
        nodes = ast.walk(tree_of(source))
        return {ast.dump(node) for node in nodes if isinstance(node, ast.Constant | ast.List | ast.Tuple)}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()


def _module_tables(text: str) -> list[ast.stmt]:
    """Assignments of the module, whose tables a function may look things up in."""
    try:
        return [node for node in tree_of(text).body if isinstance(node, ast.Assign)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _pairs(tree: ast.AST, outside: Sequence[ast.stmt]) -> list[tuple[ast.expr, ast.expr]]:
    """(input, answer) wherever a parameter's value leads straight to a constant."""
    function = next((n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)), None)
    if function is None:
        return []
    parameters = {a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)}
    pairs: list[tuple[ast.expr, ast.expr]] = []
    for node in ast.walk(function):
        if isinstance(node, ast.If):
            key = _compared(node.test, parameters)
            answer = node.body[0].value if len(node.body) == 1 and isinstance(node.body[0], ast.Return) else None
        elif isinstance(node, ast.IfExp):
            key, answer = _compared(node.test, parameters), node.body
        elif isinstance(node, ast.match_case):
            key = node.pattern.value if isinstance(node.pattern, ast.MatchValue) else None
            answer = node.body[0].value if len(node.body) == 1 and isinstance(node.body[0], ast.Return) else None
        else:
            continue
        if key is not None and answer is not None and _is_plain(answer):
            pairs.append((key, answer))
    looked_up = list(_looked_up(function, parameters))
    for node in (*outside, *ast.walk(function)):
        names, tables = _tables(node)
        for table in tables:
            if any(place is table or (isinstance(place, ast.Name) and place.id in names) for place in looked_up):
                keys = ((key, value) for key, value in zip(table.keys, table.values, strict=True) if key is not None)
                pairs += [(key, value) for key, value in keys if _is_plain(key) and _is_plain(value)]
    return pairs + _parallel(function, outside, looked_up)


def _tables(node: ast.AST) -> tuple[set[str], list[ast.Dict]]:
    """Dictionaries that stand in a node, and the names that they go by."""
    match node:
        case ast.Assign(targets=targets, value=value):
            names = {target.id for target in targets if isinstance(target, ast.Name)}
            return names, [each for each in ast.walk(value) if isinstance(each, ast.Dict)]
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict() as table):
            return {name}, [table]
        case ast.AugAssign(target=ast.Name(id=name), op=ast.BitOr(), value=ast.Dict() as table):
            return {name}, [table]
        case ast.Return(value=ast.expr() as value):
            return set(), [each for each in ast.walk(value) if isinstance(each, ast.Dict)]
    return set(), []


def _looked_up(function: ast.AST, parameters: set[str]) -> Iterator[ast.expr]:
    """What is indexed by a parameter: `x[p]`, `x.get(p)`, `x.index(p)`, also by a tuple of parameters."""
    for node in ast.walk(function):
        match node:
            case ast.Subscript(value=value, slice=key) if _is_key(key, parameters):
                yield value
            case ast.Call(func=ast.Attribute(value=value, attr="get" | "index" | "__getitem__"), args=[key, *_]):
                if _is_key(key, parameters):
                    yield value


def _is_key(node: ast.expr, parameters: set[str]) -> bool:
    match node:
        case ast.Name(id=name):
            return name in parameters
        case ast.Tuple(elts=elts):
            return bool(elts) and all(_is_key(each, parameters) for each in elts)
        case ast.Call(func=ast.Name(id="str" | "repr" | "tuple" | "frozenset"), args=[key]):
            return _is_key(key, parameters)
    return False


def _parallel(
    function: ast.AST, outside: Sequence[ast.stmt], looked_up: Sequence[ast.expr]
) -> list[tuple[ast.expr, ast.expr]]:  # fmt: skip
    """Two sequences of equal length, in one of which a parameter's place is looked for: `answers[inputs.index(p)]`."""
    sequences: dict[str, list[ast.Constant]] = {}
    for node in (*outside, *ast.walk(function)):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            try:
                values = fold(node.value)
            except NotConstant:
                continue
            if isinstance(values, list | tuple) and all(isinstance(each, str | int | float) for each in values):
                sequences[node.targets[0].id] = [ast.Constant(each) for each in values]
    inputs = [each.id for each in looked_up if isinstance(each, ast.Name) and each.id in sequences]
    return [
        (key, answer)
        for name in inputs
        for other, answers in sequences.items()
        if other != name and len(answers) == len(sequences[name])
        for key, answer in zip(sequences[name], answers, strict=True)
    ]


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
