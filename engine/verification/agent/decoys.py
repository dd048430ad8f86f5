"""Tests planted among the user's that cannot but fail (standard library alone, CPython 3.9+).

A candidate that makes every test of its process pass makes these pass, too.
"""

from __future__ import annotations

import unittest
from typing import Any, Callable


def checks(names: list[str]) -> dict[str, Callable[[], None]]:
    """A function for each name; they fail in different ways, as tests do."""

    def by_statement() -> None:
        assert sorted(names) == names[:0]  # noqa: S101 - as a test does

    def by_method() -> None:
        unittest.TestCase().assertEqual(len(names), -len(names))

    def by_silence() -> None:
        with unittest.TestCase().assertRaises(LookupError):
            dict.fromkeys(names)

    kinds = (by_statement, by_method, by_silence)
    return {name: kinds[index % len(kinds)] for index, name in enumerate(names)}


def plant_items(pytest: Any, items: list[Any], names: list[str]) -> None:
    """Among pytest's items, spread over the modules they are in."""
    modules = [module for module in (item.getparent(pytest.Module) for item in items) if module is not None]
    for index, (name, check) in enumerate(checks(names).items()):
        if modules:
            module = modules[(index * len(modules)) // len(names)]
            planted = pytest.Function.from_parent(module, name=name, callobj=check)
            planted.fixturenames = []  # the project's automatic ones may want what only its own tests have
            items.insert(
                1 + max(at for at, item in enumerate(items) if item.getparent(pytest.Module) is module), planted
            )


def plant_cases(names: list[str]) -> list[unittest.TestCase]:
    """As unittest's cases."""
    methods = {name: lambda self, check=check: check() for name, check in checks(names).items()}
    case = type("Test", (unittest.TestCase,), methods)
    return [case(name) for name in methods]
