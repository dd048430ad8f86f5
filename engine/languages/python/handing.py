"""Modules as values.  Who hands a module on can change it where no name tells any more which one it is."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

# Honest functions choose among these; nothing that judges depends on them.
_words = str.split
HARMLESS = frozenset(
    _words("math cmath random statistics decimal fractions operator string time datetime calendar hashlib zlib gzip "
           "bz2 lzma zoneinfo locale colorsys base64 binascii bisect heapq")
)  # fmt: skip
# Modules that lie in others as attributes: `json.codecs`.
INNER = frozenset(_words("sys os builtins io re json codecs types inspect gc importlib traceback warnings threading"))
LOOKS = frozenset({"getattr", "hasattr", "isinstance", "dir", "vars", "help", "callable", "id", "repr", "str", "print"})
_LIBRARY = Path(os.__file__).parent


@lru_cache(maxsize=512)
def is_module(name: str) -> bool:
    """Whether a full name is that of a module of the standard library.  Nothing is imported."""
    root, _, rest = name.partition(".")
    if root not in sys.stdlib_module_names or root in HARMLESS:
        return False
    if not rest:
        return True
    if rest == root:  # `copy.copy`, `glob.glob`
        return False
    if name.rpartition(".")[2] in INNER:
        return True
    place = _LIBRARY.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or place.joinpath("__init__.py").is_file()


def is_handed_on(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> bool:
    """Whether an expression that stands for a module is used for more than to look into it."""
    parent = parents.get(node)
    match parent:
        case ast.Attribute() | ast.Compare() | ast.Expr() | ast.NamedExpr() | ast.If() | ast.UnaryOp():
            return False
        case ast.Assign(targets=[ast.Name()]) | ast.AnnAssign(target=ast.Name()):
            return isinstance(parents.get(parent), ast.ClassDef)
        case ast.Call(func=ast.Name(id=name), args=[first, *_]):
            return first is not node or name not in LOOKS
        case ast.Call(func=function):
            return function is not node
    return True
