"""Structured concurrency where anyio's own task groups say a little less than is wanted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

A = TypeVar("A")
B = TypeVar("B")


async def both(first: Callable[[], Awaitable[A]], second: Callable[[], Awaitable[B]]) -> tuple[A, B]:
    """Await both side by side; an error of either cancels the other and is raised bare."""
    results: list[A] = []
    others: list[B] = []
    errors: list[Exception] = []

    async def guarded(call: Callable[[], Awaitable[None]]) -> None:
        try:
            await call()
        except Exception as error:  # raised again below, without the task group's wrapping
            errors.append(error)
            tasks.cancel_scope.cancel()

    async def keep_first() -> None:
        results.append(await first())

    async def keep_second() -> None:
        others.append(await second())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(guarded, keep_first)
        tasks.start_soon(guarded, keep_second)
    if errors:
        raise errors[0]
    return results[0], others[0]
