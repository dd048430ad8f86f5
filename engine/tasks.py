"""Structured concurrency where anyio's own task groups say a little less than is wanted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

import anyio

A = TypeVar("A")
B = TypeVar("B")


async def all_of(calls: Sequence[Callable[[], Awaitable[A]]], *, most: int) -> list[A]:
    """Await all side by side, at most so many at once; the first error cancels the others and is raised bare."""
    results: dict[int, A] = {}
    errors: list[Exception] = []
    slots = anyio.CapacityLimiter(most)

    async def one(index: int, call: Callable[[], Awaitable[A]]) -> None:
        try:
            async with slots:
                results[index] = await call()
        except Exception as error:  # raised again below, without the task group's wrapping
            errors.append(error)
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for index, call in enumerate(calls):
            tasks.start_soon(one, index, call)
    if errors:
        raise errors[0]
    return [results[index] for index in range(len(calls))]


async def both(first: Callable[[], Awaitable[A]], second: Callable[[], Awaitable[B]]) -> tuple[A, B]:
    """Await both side by side; an error of either cancels the other and is raised bare."""
    calls: list[Callable[[], Awaitable[A | B]]] = [first, second]
    one, other = await all_of(calls, most=2)
    return cast(A, one), cast(B, other)
