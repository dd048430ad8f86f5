"""The engine and what it is asked about a place: the same for a run and for what is made ready before one."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from pygls.uris import from_fs_path

from lsp_server.places import Place

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.session import Engine, ImplementRequest
    from lsp_server.server import GreenfinchServer

_CLOSE_SECONDS = 5.0


@asynccontextmanager
async def engine_for(
    server: GreenfinchServer, place: Place, settings: Settings
) -> AsyncIterator[tuple[Engine, ImplementRequest]]:
    """An engine, closed in the end, and the request for `place` with all open documents as they are now."""
    # Loaded when it is first needed, so that the server starts quickly; in a thread, so that it goes on answering.
    session = await anyio.to_thread.run_sync(importlib.import_module, "engine.session")
    request = session.ImplementRequest(
        root=place.root,
        path=place.target.path,
        qualname=place.target.qualname,
        buffers=server.documents.buffers,
        python_hint=await server.settings.hint_for(from_fs_path(str(place.root)) or ""),
    )
    engine = session.Engine(settings)
    try:
        yield engine, request
    finally:
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await engine.aclose()
