"""Syntax trees, made one at a time.

CPython 3.11 counts how deep its parser is for the whole interpreter: where another thread parses as well, and
collecting garbage lets it in between, one of them ends with `SystemError: AST constructor recursion depth mismatch`.
Gates and twins work in threads, so whatever makes a syntax tree in this process does it here.
"""

from __future__ import annotations

import ast
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

one_at_a_time = threading.RLock()
_DEEP = 6000


def tree_of(text: str) -> ast.Module:
    """As `ast.parse`; a byte-order mark is passed over.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as that does.
    """
    with one_at_a_time:
        return ast.parse(text.removeprefix("\ufeff"))


@contextmanager
def deep() -> Iterator[None]:
    """Visitors may go deeper meanwhile: two frames a level, and a sum of hundreds of terms has as many levels."""
    with one_at_a_time:
        usual = sys.getrecursionlimit()
        sys.setrecursionlimit(max(usual, _DEEP))
        try:
            yield
        finally:
            sys.setrecursionlimit(usual)


def literal(text: str) -> Any:
    """As `ast.literal_eval` of a text."""
    with one_at_a_time:
        return ast.literal_eval(text)
