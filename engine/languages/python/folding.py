"""The value of an expression that is made of constants alone, found without running it.

Only operations without effects on built-in values are known, each bounded, so that folding a hostile text is safe: its
names are looked up in a table given by the caller, never in a running interpreter.
"""

from __future__ import annotations

import ast
import base64
import binascii
import codecs
import operator
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_words = str.split
LARGEST = 1 << 16  # characters, bytes or items of any value on the way
_MOST_ITEMS = 4096  # of a comprehension's source


class NotConstant(Exception):
    """The expression depends on more than constants, or is too large."""


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Mod: operator.mod,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.BitXor: operator.xor, ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
}  # fmt: skip
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_, ast.Invert: operator.invert,
}  # fmt: skip
_METHODS = frozenset(
    _words(
        "join replace lower upper strip lstrip rstrip decode encode format translate swapcase title capitalize split "
        "removeprefix removesuffix zfill center ljust rjust casefold hex"
    )
)


def _inflated(data: Any) -> bytes:
    return zlib.decompressobj().decompress(data, LARGEST)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "chr": chr, "ord": ord, "str": str, "int": int, "len": len, "bytes": bytes, "bytearray": bytearray,
    "list": list, "tuple": tuple, "reversed": lambda items: list(reversed(items)), "sorted": sorted,
    "base64.b64decode": base64.b64decode, "base64.b32decode": base64.b32decode, "base64.b16decode": base64.b16decode,
    "base64.b85decode": base64.b85decode, "base64.urlsafe_b64decode": base64.urlsafe_b64decode,
    "base64.standard_b64decode": base64.standard_b64decode, "base64.a85decode": base64.a85decode,
    "binascii.unhexlify": binascii.unhexlify, "binascii.a2b_hex": binascii.unhexlify,
    "binascii.a2b_base64": binascii.a2b_base64, "bytes.fromhex": bytes.fromhex, "bytearray.fromhex": bytes.fromhex,
    "codecs.decode": codecs.decode, "codecs.encode": codecs.encode, "zlib.decompress": _inflated,
    "str.maketrans": str.maketrans, "str.join": lambda glue, parts: glue.join(parts),
}  # fmt: skip
_TEXT_CODECS = frozenset({"rot13", "rot_13", "hex", "hex_codec", "base64", "base64_codec", "utf-8", "utf8", "ascii"})


def fold(node: ast.expr, names: Mapping[str, Any] = {}, dotted: Callable[[ast.expr], str] = lambda _: "") -> Any:
    """The value of `node`: of a built-in type, always.

    Args:
        names: values of names that are constants where `node` stands.
        dotted: the full name of what an expression refers to, such as `base64.b64decode`; empty if unknown.

    Raises:
        NotConstant: it has none that is known beforehand.
    """
    try:
        return _Folder(dotted).value(node, dict(names))
    except NotConstant:
        raise
    except (ArithmeticError, ValueError, TypeError, LookupError, RecursionError, MemoryError, zlib.error) as error:
        raise NotConstant from error


class _Folder:
    def __init__(self, dotted: Callable[[ast.expr], str]) -> None:
        self._dotted = dotted

    def value(self, node: ast.expr, names: dict[str, Any]) -> Any:
        found = self._value(node, names)
        if isinstance(found, str | bytes | bytearray | list | tuple | dict | set) and len(found) > LARGEST:
            raise NotConstant
        return found

    def _value(self, node: ast.expr, names: dict[str, Any]) -> Any:
        match node:
            case ast.Constant(value=value) if value is not ...:
                return value
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.List(elts=elts):
                return self._items(elts, names)
            case ast.Tuple(elts=elts):
                return tuple(self._items(elts, names))
            case ast.Set(elts=elts):
                return set(self._items(elts, names))
            case ast.Dict(keys=keys, values=values) if None not in keys:
                return {
                    self.value(key, names): self.value(value, names)
                    for key, value in zip(keys, values, strict=True) if key is not None
                }  # fmt: skip
            case ast.UnaryOp(op=op, operand=operand):
                return _UNARY[type(op)](self.value(operand, names))
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(op, self.value(left, names), self.value(right, names))
            case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper, step=step)):
                bounds = (None if part is None else self.value(part, names) for part in (lower, upper, step))
                return self.value(value, names)[slice(*bounds)]
            case ast.Subscript(value=value, slice=key):
                return self.value(value, names)[self.value(key, names)]
            case ast.JoinedStr(values=values):
                return "".join(self._piece(part, names) for part in values)
            case ast.ListComp() | ast.GeneratorExp():
                return self._comprehension(node, names)
            case ast.Call():
                return self._call(node, names)
        raise NotConstant

    def _items(self, nodes: list[ast.expr], names: dict[str, Any]) -> list[Any]:
        items: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                items += self.value(node.value, names)
            else:
                items.append(self.value(node, names))
        return items

    def _binary(self, op: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(op, ast.Mult):
            numbers = [each for each in (left, right) if isinstance(each, int)]
            sized = [each for each in (left, right) if isinstance(each, str | bytes | list | tuple)]
            if sized and numbers and len(sized[0]) * numbers[0] > LARGEST:
                raise NotConstant
        if any(isinstance(each, int) and abs(each) > 1 << 512 for each in (left, right)):
            raise NotConstant
        if isinstance(op, ast.Mod) and isinstance(left, str | bytes):
            _check_small("format", left, [])
        return _BINARY[type(op)](left, right)

    def _piece(self, part: ast.expr, names: dict[str, Any]) -> str:
        if isinstance(part, ast.FormattedValue):
            if part.format_spec is not None or part.conversion not in (-1, 115):
                raise NotConstant
            return str(self.value(part.value, names))
        return str(self.value(part, names))

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp, names: dict[str, Any]) -> list[Any]:
        if len(node.generators) != 1:
            raise NotConstant
        loop = node.generators[0]
        items = self.value(loop.iter, names)
        if loop.ifs or loop.is_async or not isinstance(loop.target, ast.Name) or len(items) > _MOST_ITEMS:
            raise NotConstant
        return [self.value(node.elt, {**names, loop.target.id: item}) for item in items]

    def _call(self, node: ast.Call, names: dict[str, Any]) -> Any:
        name = self._dotted(node.func) or _written(node.func)
        if name == "map" and len(node.args) == 2:
            function = self._dotted(node.args[0]) or _written(node.args[0])
            return [self._apply(function, [item], {}) for item in self.value(node.args[1], names)[:_MOST_ITEMS]]
        args = self._items(node.args, names)
        keywords = {k.arg: self.value(k.value, names) for k in node.keywords if k.arg is not None}
        if name:
            try:
                return self._apply(name, args, keywords)
            except NotConstant:
                pass  # it may be a method of a constant
        if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
            holder = self.value(node.func.value, names)
            if not isinstance(holder, str | bytes | bytearray):
                raise NotConstant
            _check_small(node.func.attr, holder, args)
            return getattr(holder, node.func.attr)(*args, **keywords)
        raise NotConstant

    def _apply(self, name: str, args: list[Any], keywords: dict[str, Any]) -> Any:
        if name not in _FUNCTIONS:
            raise NotConstant
        if name in {"bytes", "bytearray"} and any(isinstance(each, int) for each in args):
            raise NotConstant
        if name in {"codecs.decode", "codecs.encode"} and str([*args, *keywords.values()][-1]) not in _TEXT_CODECS:
            raise NotConstant
        return _FUNCTIONS[name](*args, **keywords)


def _written(node: ast.expr) -> str:
    """A name as it is written: `chr`, `bytes.fromhex`; empty for anything longer."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return f"{name}.{attribute}"
    return ""


def _check_small(method: str, holder: str | bytes | bytearray, args: list[Any]) -> None:
    """Raises: NotConstant, if the call could make much out of little: padding, formats, long pieces in many places."""
    pieces = [part for each in args for part in (each if isinstance(each, list | tuple | dict) else [each])]
    sizes = [len(part) for part in pieces if isinstance(part, str | bytes | bytearray)]
    if method == "join":
        size = sum(sizes) + len(holder) * len(pieces)
    elif method in {"format", "zfill", "center", "ljust", "rjust"}:
        widths = [part for part in pieces if isinstance(part, int)]
        held = str(holder) if method == "format" else ""
        size = (
            max(widths, default=0) + sum(sizes) + (17 * LARGEST if re.search(r"[:%*].*\d{4}|[:%].*[*{]", held) else 0)
        )
    else:
        size = (len(holder) + 1) * max(sizes, default=1)
    if size > 16 * LARGEST:
        raise NotConstant


def texts(value: Any) -> Iterator[str]:
    """The texts in a folded value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from texts(each)
