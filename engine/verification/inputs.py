"""Inputs near those that the judge really used: each a recorded request with one thing changed, by its type."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Sequence
from typing import Any

Message = dict[str, Any]
Place = tuple[Any, ...]
_NUMBERS = (0, 1, -1)


def near(calls: Sequence[Message], most: int) -> list[Message]:
    """At most `most` different requests, none of them one of `calls`; deterministic, and in turn from each call."""
    seen = {repr(call) for call in calls}
    found: list[Message] = []
    turns = [_variants(call, calls) for call in calls]
    while turns and len(found) < most:
        for turn in list(turns):
            variant = next((each for each in turn if repr(each) not in seen), None)
            if variant is None:
                turns.remove(turn)
            elif len(found) < most:
                seen.add(repr(variant))
                found.append(variant)
    return found


def _variants(call: Message, calls: Sequence[Message]) -> Iterator[Message]:
    chance = random.Random(repr(call))  # noqa: S311 - to choose inputs
    changes = [*_of_values(call), *_of_objects(call), *_of_others(call, calls)]
    chance.shuffle(changes)
    for place, value in changes:
        other = copy.deepcopy(call)
        holder: Any = other
        for step in place[:-1]:
            holder = holder[step]
        holder[place[-1]] = copy.deepcopy(value)
        yield other


def _of_values(call: Message) -> Iterator[tuple[Place, Any]]:
    """Another number, text or truth in the place of each."""
    places = list(_leaves(call["args"], ("args",)))
    places += [leaf for at, pair in enumerate(call["kwargs"]) for leaf in _leaves(pair[1], ("kwargs", at, 1))]
    for number, contents in call["objects"].items():
        if contents[0] != "object":
            places += _leaves(contents[1], ("objects", number, 1))
    for place, value in places:
        for other in _others(value):
            yield place, other


def _of_objects(call: Message) -> Iterator[tuple[Place, Any]]:
    """Collections that are empty, shorter, longer, in another order."""
    for number, contents in call["objects"].items():
        kind, items = contents[0], contents[1]
        if kind not in ("list", "dict", "set", "deque") or type(items) is not list:
            continue
        changed = [[], items[:1], items[1:], items[:-1]]
        if kind in ("list", "deque"):
            changed += [items[::-1], [*items, *items[:1]], [*items[:1], *items], [*items, *items]]
        for each in changed:
            if each != items:
                yield ("objects", number, 1), each


def _of_others(call: Message, calls: Sequence[Message]) -> Iterator[tuple[Place, Any]]:
    """An argument as another call of the same function had it, where it is plain."""
    for other in calls:
        if other["target"] == call["target"] and len(other["args"]) == len(call["args"]):
            for at, (own, its) in enumerate(zip(call["args"], other["args"], strict=True)):
                if own != its and type(own) is type(its) and type(its) in (int, str, bool):
                    yield ("args", at), its


def _leaves(told: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Places of values that can be changed by themselves."""
    if type(told) is list:
        for index, item in enumerate(told):
            yield from _leaves(item, (*place, index))
    elif type(told) in (int, str, bool):
        yield place, told
    elif type(told) is dict and len(told) == 1:
        ((kind, parts),) = told.items()
        if kind == "float":
            yield (*place, "float"), float.fromhex(parts)
        elif kind in ("tuple", "frozenset"):
            yield from _leaves(parts, (*place, kind))


def _others(value: Any) -> list[Any]:
    if type(value) is bool:
        return [not value]
    if type(value) is int:
        return [other for other in dict.fromkeys((*_NUMBERS, value + 1, value - 1, -value, 2 * value, 10 * value + 7))
                if other != value]  # fmt: skip
    if type(value) is float:
        return [other.hex() for other in (0.0, -value, value + 0.5, 2 * value) if other != value]
    middle = len(value) // 2
    texts = ("", value[::-1], value + value[:1], value[:-1], value[:middle] + " " + value[middle:], value.swapcase(),
             value.upper(), value + value, f" {value}", value[:middle] + "1" + value[middle:])  # fmt: skip
    return [other for other in dict.fromkeys(texts) if other != value]
