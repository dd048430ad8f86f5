"""Another value for an expected one: of the same kind, plausible, and never equal to it."""

from __future__ import annotations

import cmath
import math
import random
import string
from collections.abc import Iterator, Sequence
from typing import Any

_APART = 0.01  # further than tolerances that nobody has written down


def other(
    value: Any, chance: random.Random, among: Any = (), known: Sequence[Any] = (), *, ordered: bool = False
) -> Any:  # fmt: skip
    """A value that differs from `value` by more than any tolerance or order of items would forgive.

    Numbers move far, texts gain letters, truth is turned around, None becomes a number.  A container keeps its length,
    and its keys, so that nothing but its items can tell: every one of these is another, and none is one that was there.

    Args:
        among: values that it may not be either.
        known: values to choose from, as far as there are some of the same kind.
        ordered: the same items in another order are another value.

    Raises:
        TypeError: there is no such value for this kind.
    """
    taken = {*_leaves(value), *_leaves(list(among))}
    if value and isinstance(value, list | tuple | set | frozenset | dict):
        fitting = [each for each in known if type(each) is type(value) and each != value]
        fitting = [each for each in fitting if not taken & set(_leaves(each))]
        if fitting:
            return chance.choice(fitting)
        turned = _turned(value) if known and ordered else value
        if turned != value:
            return turned
    return _other(value, chance, taken, known)


def _turned(value: Any) -> Any:
    """The value with its items, or what its keys stand for, each moved on by one place; a set as it is."""
    if isinstance(value, list | tuple):
        return type(value)([*value[1:], *value[:1]])
    if isinstance(value, dict):
        items = list(value.values())
        return dict(zip(value, [*items[1:], *items[:1]], strict=True))
    return value


def _other(value: Any, chance: random.Random, taken: set[Any], known: Sequence[Any] = ()) -> Any:
    match value:
        case list() | tuple() | set() | frozenset() if not value:
            return type(value)([chance.randrange(2, 90)])
        case list() | tuple():
            return type(value)(_other(item, chance, taken, known) for item in value)
        case set() | frozenset():
            return type(value)(_other(item, chance, taken, known) for item in sorted(value, key=repr))
        case dict() if not value:
            return {letters(chance): chance.randrange(2, 90)}
        case dict():
            return {key: _other(item, chance, taken, known) for key, item in value.items()}
        case bool() if len(taken) == 1:
            return not value
    fitting = [each for each in known if _is_like(each, value) and each not in taken]
    if fitting:
        return chance.choice(fitting)
    for _ in range(100):
        found = _leaf(value, chance)
        if found not in taken:
            return found
    raise TypeError("no other value found")


def _leaf(value: Any, chance: random.Random) -> Any:
    match value:
        case bool() | None:
            return chance.randrange(2, 90)
        case int():
            return value + chance.choice((-1, 1)) * chance.randrange(2, 90) if abs(value) < 1 << 40 else value * 3 + 7
        case float():
            return -1.5 if not math.isfinite(value) else value + (abs(value) + 1.0) * chance.randrange(3, 9)
        case complex():
            return value + (abs(value) + 1.0) * chance.randrange(3, 9)
        case str():
            return value + letters(chance, value)
        case bytes():
            return value + letters(chance).encode()
    raise TypeError(f"no other value for a {type(value).__name__}")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple | set | frozenset | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    else:
        yield value


def far(value: Any, chance: random.Random, known: Sequence[Any] = ()) -> Any:
    """The same, for comparisons with a tolerance: every number in it moves far, and containers keep their length.

    Args:
        known: numbers to choose from, as far as they are far away.

    Raises:
        TypeError: it holds no number.
    """
    match value:
        case bool() | str() | bytes() | None:
            raise TypeError("not a number")
        case int() | float() | complex():
            apart = [each for each in known if _is_number(each) and abs(each - value) > _APART + abs(value) / 2]
            if apart:
                return chance.choice(apart)
            return -1.5 if value != value or value in (math.inf, -math.inf) else value + (abs(value) + 1.0) * 5000
        case list() | tuple() if value:
            return type(value)(far(item, chance, known) for item in value)
        case dict() if value:
            return {key: far(item, chance, known) for key, item in value.items()}
    raise TypeError(f"no number in a {type(value).__name__}")


def _is_like(value: Any, other_one: Any) -> bool:
    return type(value) is type(other_one) or (_is_number(value) and _is_number(other_one))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | complex) and not isinstance(value, bool) and cmath.isfinite(value)


def among_none(values: list[Any], chance: random.Random) -> list[Any]:
    """As many other values, none of which is equal to any of `values`.  Raises: TypeError."""
    taken = set(_leaves(values))
    return [_other(value, chance, taken | {None, ""}) for value in values]


def letters(chance: random.Random, like: str = "") -> str:
    """A few letters, those of `like` where it has some: what is read out of a file must look like it."""
    alphabet = sorted({letter for letter in like if letter.isalnum()}) or string.ascii_lowercase
    return "".join(chance.choice(alphabet) for _ in range(chance.randrange(3, 6)))


def source(value: Any, like: str = "") -> str:
    """The value as an expression; sets in a fixed order, so that equal seeds give equal texts.

    A string has the quotes of `like`, if that is a plain literal.
    """
    match value:
        case str() if like.startswith('"') and not like.startswith('"""') and repr(value)[0] == "'":
            return '"' + repr(value)[1:-1].replace('"', '\\"').replace("\\'", "'") + '"'
        case float() if not math.isfinite(value):
            return f"float({str(value)!r})"
        case list():
            return f"[{', '.join(map(source, value))}]"
        case tuple():
            return f"({', '.join(map(source, value))}{',' if len(value) == 1 else ''})"
        case frozenset():
            return f"frozenset({source(set(value))})"
        case set():
            return f"{{{', '.join(source(each) for each in sorted(value, key=repr))}}}" if value else "set()"
        case dict():
            return f"{{{', '.join(f'{source(key)}: {source(item)}' for key, item in value.items())}}}"
    return repr(value)
