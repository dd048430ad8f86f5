"""The engine and what it is asked about a place: the same for a run and for what is made ready before one."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from lsp_server.places import Place

if TYPE_CHECKING:
    from engine.session import Engine, ImplementRequest
    from lsp_server.server import GreenfinchServer
    from lsp_server.settings import FolderSettings

_CLOSE_SECONDS = 5.0


@asynccontextmanager
async def engine_for(
    server: GreenfinchServer, place: Place, folder: FolderSettings
) -> AsyncIterator[tuple[Engine, ImplementRequest]]:
    """An engine with the settings of the place's folder, closed in the end, and the request for `place` with all open
    documents as they are now.
    """
    # Loaded when it is first needed, so that the server starts quickly; in a thread, so that it goes on answering.
    session = await anyio.to_thread.run_sync(importlib.import_module, "engine.session")
    request = session.ImplementRequest(
        root=place.root,
        path=place.target.path,
        qualname=place.target.qualname,
        buffers=server.documents.buffers,
        python_hint=folder.python_hint,
    )
    engine = session.Engine(folder.settings)
    try:
        yield engine, request
    finally:
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await engine.aclose()
