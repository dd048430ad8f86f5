"""What commands that measure have in common: rows as they come, and the machine they are of."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

import anyio
import attrs

from engine.cli.main import PASSED

R = TypeVar("R", bound=attrs.AttrsInstance)


def rows_of(
    measured: AsyncGenerator[R, None],
    machine: attrs.AttrsInstance,
    *,
    as_json: bool,
    more: Callable[[R], Mapping[str, Any]] = lambda _row: {},
) -> list[R]:
    """All rows, for a table.  As JSON each is a line as soon as it is there, the machine the last one, and the process
    ends.

    Args:
        more: of a row, what JSON has besides its attributes.
    """
    rows: list[R] = []

    async def work() -> None:
        async with aclosing(measured):
            async for row in measured:
                rows.append(row)
                if as_json:
                    print(json.dumps({**attrs.asdict(row), **more(row)}), flush=True)

    anyio.run(work)
    if as_json:
        print(json.dumps({"machine": attrs.asdict(machine)}), flush=True)
        sys.exit(PASSED)
    return rows
