"""The policies that a bench knows by name: the strategies, `full` with parts of it changed, and what records pools."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from attrs import evolve, fields

from engine.errors import ConfigError
from engine.prompting import PARTS
from engine.search import POLICIES, Everything, Full, Policy

EVERYTHING = "everything"
_WITHOUT = " without "
_CHANGED: dict[str, tuple[type, Any]] = {"full": (Full, POLICIES["full"]), EVERYTHING: (Everything, Everything())}

# What `full` is compared with in a simulation, besides the strategies: fixed ways to spend the same budget.
FIXED = (
    "greedy",
    "best-of-n",
    "plan+repair",
    "full(passers=1)",
    "full(passers=2)",
    "full(likely=2)",
    "full(likely=0.1)",
    "full(likely=0.001)",
    "full(patience=1.0;patience_least=4)",
    "full(passers=5;few=20)",
    "full(repairs=0)",
    "full(variants=0)",
    "full(repairs=0;variants=0)",
    "full(mend=0)",
    "full(small=0)",
    "full(terse=0;distinct=0)",
    "full(alone=0)",
    "full(alone=32)",
    "full(alone=64)",
    "full(alone=1000)",
    "full(plain=0.25)",
    "full(plain=1.0)",
    "full(strength=2)",
    "full(strength=30)",
)


def split(names: str) -> list[str]:
    """The names in a list with commas."""
    return [name.strip() for name in names.split(",") if name.strip()]


def only_a_policy(name: str) -> str:
    """The name, if it changes nothing of the prompt: what is replayed was sampled already.

    Raises:
        ConfigError: it leaves a part of the prompt out.
    """
    if _WITHOUT in name:
        raise ConfigError(f"{name}: a replay cannot change prompts.", remedy="Use `greenfinch bench run` for it.")
    return name


def left_out(name: str) -> frozenset[str]:
    """The parts of the prompt that a strategy does without, by its name: `full without related+tests`.

    Raises:
        ConfigError: there is no such part.
    """
    _, _, parts = name.partition(_WITHOUT)
    found = frozenset(parts.split("+")) if parts else frozenset[str]()
    if not found <= set(PARTS):
        raise ConfigError(f"{name}: a prompt has no such part.", remedy=f"Parts: {', '.join(PARTS)}.")
    return found


def policy_named(name: str) -> Policy:
    """The policy of a name such as `full`, `full(repairs=0;passers=1)` or `everything(plain=4)`; what follows
    ` without ` is `left_out`'s matter.

    Raises:
        ConfigError: there is none of that name, or no such part.
    """
    name = name.partition(_WITHOUT)[0]
    match = re.fullmatch(r"([\w+-]+)(?:\(([^()]*)\))?", name)
    base, changes = (match[1], match[2]) if match else (name, None)
    if base not in POLICIES and base != EVERYTHING:
        raise ConfigError(f"There is no strategy {name!r}.", remedy=f"There are: {', '.join([*POLICIES, EVERYTHING])}.")
    if changes is None:
        return POLICIES.get(base) or Everything()
    if base not in _CHANGED:
        raise ConfigError(f"{base} has no parts to change.")
    kind, default = _CHANGED[base]
    known = {each.name: each.type for each in fields(kind)}
    values: dict[str, Any] = {}
    for change in filter(None, changes.split(";")):
        part, _, value = change.partition("=")
        try:
            values[part] = _READ[str(known[part])](value)
        except (KeyError, ValueError) as error:
            raise ConfigError(f"{name}: {change!r} changes nothing.", remedy=f"Parts: {', '.join(known)}.") from error
    changed: Policy = evolve(default, **values)
    return changed


_READ: dict[str, Callable[[str], Any]] = {
    "bool": lambda text: {"0": False, "1": True}[text],
    "int": int,
    "float": float,
}
