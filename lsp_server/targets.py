"""Finding targets without holding up the loop: parsing happens in a thread, one text of a document at a time.

The parser keeps its latest results by text, so that a cursor that moves over the same version costs nothing.  A request
whose document has moved on while it waited is dropped: its client asks again for the new text anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from lsp_server.documents import Documents
from lsp_server.places import Search

T = TypeVar("T")


class Targets:
    """Carries out searches for targets, in the order in which they came for each document."""

    def __init__(self, documents: Callable[[], Documents]) -> None:
        self._documents = documents
        self._locks: dict[str, anyio.Lock] = {}

    async def current(self, search: Search[T]) -> T | None:
        """What a search finds; None if its document has changed before its turn came.

        Raises:
            TargetNotFoundError: with the reason.
        """
        return await self._in_turn(search, droppable=True)

    async def certain(self, search: Search[T]) -> T:
        """What a search finds in the text as it was when it was asked for.

        Raises:
            TargetNotFoundError: with the reason.
        """
        found = await self._in_turn(search, droppable=False)
        assert found is not None  # noqa: S101 - only what may be dropped is
        return found

    async def _in_turn(self, search: Search[T], *, droppable: bool) -> T | None:
        lock = self._locks.setdefault(search.uri, anyio.Lock())
        try:
            async with lock:
                if droppable and self._documents().get_text_document(search.uri).version != search.version:
                    return None
                return await anyio.to_thread.run_sync(search.work)
        finally:
            if not lock.locked() and not lock.statistics().tasks_waiting:
                self._locks.pop(search.uri, None)
