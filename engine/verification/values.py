"""Values that crossed between the two processes of a split run (see `agent/plain.py`), as Python expressions."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

_LONGEST = 400  # characters; a longer expression is nobody's example
_DEEPEST = 100  # beyond it two values count as equal: they contain themselves, or nobody looks so deep


class NotWritable(Exception):
    """There is no short expression for a value."""


@frozen
class Told:
    """What an implementation answered, as a person would write it.

    Attributes:
        text: an expression, or the name of the exception it raises.
        raises: whether it is that.
        writable: whether a test can be written with it.
    """

    text: str
    raises: bool = False
    writable: bool = True


def call_text(message: Mapping[str, Any]) -> str:
    """The call that a request makes, as `f([1, 2], key='x')`.  Raises: NotWritable."""
    objects = message["objects"]
    args = [expression(value, objects) for value in message["args"]]
    args += [f"{name}={expression(value, objects)}" for name, value in message["kwargs"]]
    name = str(message["target"])
    if "." in name:
        raise NotWritable(name)  # its first argument is an object of the user's
    return _short(f"{name}({', '.join(args)})")


def answer_text(answer: Mapping[str, Any], sent: Mapping[str, Any]) -> Told:
    """What an answer says.

    Args:
        sent: the objects of the request: where one of them was changed in place, a test of the value says too little.
    """
    if "raised" in answer:
        module, name = (str(each) for each in answer["raised"]["classes"][0])
        known = module == "builtins" and isinstance(getattr(builtins, name, None), type)
        return Told(name, raises=True, writable=known)
    if "value" not in answer:
        return Told("an iterator" if "stop" in answer else "something that cannot be told", writable=False)
    try:
        text = _short(expression(answer["value"], answer["objects"]))
    except NotWritable:
        return Told("an object", writable=False)
    changed = any(answer["objects"].get(number, contents) != contents for number, contents in sent.items())
    return Told(text, writable=not changed and "nan" not in text)


def expression(told: Any, objects: Mapping[str, Any], depth: int = 0) -> str:
    """The Python expression of an encoded value.  Raises: NotWritable."""
    if told is None or type(told) in (bool, int, str):
        return repr(told)
    if depth > 12:
        raise NotWritable("deep, or contains itself")
    ((kind, parts),) = told.items()
    if kind == "ref":
        return _object(objects[str(parts)], objects, depth + 1)
    if kind == "int":
        return str(int(parts, 16))
    if kind == "float":
        value = float.fromhex(parts)
        return repr(value) if value - value == 0 else f"float({str(value)!r})"
    if kind == "bytes":
        return repr(bytes.fromhex(parts))
    if kind in ("tuple", "frozenset"):
        items = [expression(part, objects, depth + 1) for part in parts]
        if kind == "tuple":
            return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        return f"frozenset({{{', '.join(items)}}})" if items else "frozenset()"
    if kind == "complex":
        return f"complex({', '.join(expression(part, objects, depth + 1) for part in parts)})"
    if kind == "range":
        return f"range({', '.join(expression(part, objects, depth + 1) for part in parts)})"
    raise NotWritable(kind)


def _object(contents: Any, objects: Mapping[str, Any], depth: int) -> str:
    kind, items = contents[0], contents[1]
    if kind == "dict":
        pairs = (f"{expression(k, objects, depth)}: {expression(v, objects, depth)}" for k, v in items)
        return f"{{{', '.join(pairs)}}}"
    if kind == "list":
        return f"[{', '.join(expression(item, objects, depth) for item in items)}]"
    if kind == "set":
        inside = ", ".join(sorted(expression(item, objects, depth) for item in items))
        return f"{{{inside}}}" if inside else "set()"
    raise NotWritable(kind)


def _short(text: str) -> str:
    if len(text) > _LONGEST:
        raise NotWritable("long")
    return text


def equal_form(answer: Mapping[str, Any], sent: Mapping[str, Any]) -> str:
    """What an answer says, in a form that is the same for answers which Python calls equal: whatever the order of a
    dictionary or a set, and for 1, 1.0 and True.  A test with `==` could not tell them apart.

    Args:
        sent: the objects of the request, which may have been changed in place.
    """
    if "raised" in answer:
        return f"raised {answer['raised']['classes'][0][1]}"
    told = answer.get("value", answer.get("stop", answer.get("not plain")))
    objects = answer.get("objects", {})
    changed = [[number, _equal_object(objects[number], objects, 0)] for number in sorted(sent) if number in objects]
    return json.dumps([_equal(told, objects), changed])


def _equal(told: Any, objects: Mapping[str, Any], depth: int = 0) -> Any:
    """Of an encoded value, or of an object's contents: nested lists and texts."""
    if depth > _DEEPEST:
        return "..."
    if isinstance(told, bool | int):
        return int(told)
    if isinstance(told, list):
        return [_equal(each, objects, depth + 1) for each in told]
    if not isinstance(told, dict):
        return [told]  # a text is not what stands for a kind below
    ((kind, parts),) = told.items()
    if kind == "ref":
        return _equal_object(objects[str(parts)], objects, depth + 1)
    if kind == "float":
        value = float.fromhex(parts)
        return int(value) if value.is_integer() else repr(value)
    if kind == "int":
        return int(parts, 16)
    if kind == "frozenset":
        return ["set", _sorted(_equal(part, objects, depth + 1) for part in parts)]
    return [kind, _equal(parts, objects, depth + 1)]


def _equal_object(contents: Any, objects: Mapping[str, Any], depth: int) -> Any:
    kind, items = contents[0], contents[1]
    if kind in ("dict", "counter", "default", "ordered"):
        pairs = ([_equal(key, objects, depth), _equal(value, objects, depth)] for key, value in items)
        return ["dict", _sorted(pairs)]
    if kind == "set":
        return ["set", _sorted(_equal(item, objects, depth) for item in items)]
    return [kind, _equal(items, objects, depth), *contents[2:]]


def _sorted(forms: Iterable[Any]) -> list[Any]:
    return sorted(forms, key=json.dumps)


def size(message: Mapping[str, Any]) -> int:
    """How much a person has to read."""
    return len(json.dumps([message["args"], message["kwargs"], message["objects"]]))
