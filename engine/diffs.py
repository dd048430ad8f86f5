"""Unified diffs, as `git apply` and people read them."""

from __future__ import annotations

import difflib
import re

_LINE = re.compile(r"[^\n]*\n|[^\n]+")  # `splitlines` would break lines at form feeds, too


def unified_diff(before: str, after: str, name: str) -> str:
    """What changed in the file `name`; empty if nothing did."""
    lines = difflib.unified_diff(_LINE.findall(before), _LINE.findall(after), f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
