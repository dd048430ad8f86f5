"""What a run begins with, made ready while its user still looks at the menu that offers it.

Begun only by a menu that somebody has opened: editors ask for code actions at every move of the cursor, too.  Nothing
of it is shown, no answer waits for it, and no run depends on it; see `engine.preparation` for what is done, and where.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from attrs import define, field

from engine.errors import GreenfinchError
from lsp_server.engines import engine_for
from lsp_server.jobs import cause_of
from lsp_server.places import Place

if TYPE_CHECKING:
    from lsp_server.server import GreenfinchServer

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 0.05  # the menu's own answer goes out before
FOLLOW_SECONDS = 20.0  # within which the menu's action has to be chosen


@define(eq=False)
class _Ahead:
    """What is made ready.

    Attributes:
        root: of the workspace whose open documents the tests see.
        taken: a run has begun there, and goes on with it.
    """

    key: Hashable
    root: Path
    taken: bool = False
    scope: anyio.CancelScope = field(factory=anyio.CancelScope)


class Preparing:
    """Makes one thing ready at a time: what the latest menu is about."""

    def __init__(self, server: GreenfinchServer) -> None:
        self._server = server
        self._ahead: _Ahead | None = None

    def offered(self, place: Place) -> None:
        """A menu was opened that offers to implement the stub there.  Returns at once."""
        jobs, settings = self._server.jobs, self._server.settings
        if not settings.trusted or not settings.current.prepare_on_menu or settings.current.servers:
            return
        if not jobs.are_served or jobs.is_implementing:
            return
        until = anyio.current_time() + FOLLOW_SECONDS
        if self._ahead is not None and self._ahead.key == place.key:
            self._ahead.scope.deadline = until
            return
        self.drop()
        ahead = self._ahead = _Ahead(place.key, place.root)
        ahead.scope.deadline = until
        jobs.background(lambda: self._prepare(ahead, place))

    def changed(self, path: Path | None) -> None:
        """A document was changed: what its workspace's tests were asked is of no use any more, but to a run at work."""
        ahead = self._ahead
        if ahead is not None and not ahead.taken and (path is None or path.is_relative_to(ahead.root)):
            self.drop()

    def drop(self) -> None:
        """Stop; what the model has read so far stays in its host's cache."""
        if self._ahead is not None:
            self._ahead.scope.cancel()
            self._ahead = None

    @contextmanager
    def taken_over(self, key: Hashable) -> Iterator[None]:
        """While a run is at work: it goes on with what is made ready for it, and anything else gives way."""
        if self._ahead is not None and self._ahead.key == key:
            self._ahead.taken = True
            self._ahead.scope.deadline = math.inf
        else:
            self.drop()
        try:
            yield
        finally:
            if self._ahead is not None and self._ahead.key == key:
                self.drop()

    async def _prepare(self, ahead: _Ahead, place: Place) -> None:
        try:
            with ahead.scope:
                await anyio.sleep(ANSWER_SECONDS)
                await self._carry_out(place)
            if ahead.scope.cancelled_caught:
                logger.info("%s: no longer made ready", place.label)
        except Exception as error:  # a run will meet it again, and tell its user
            cause = cause_of(error)
            if not isinstance(cause, GreenfinchError):
                raise
            logger.info("%s: not made ready: %s", place.label, cause)
        finally:
            if self._ahead is ahead:
                self._ahead = None

    async def _carry_out(self, place: Place) -> None:
        folder = await self._server.settings.in_folder(place.root_uri)
        async with engine_for(self._server, place, folder) as (engine, request):
            prepared = await engine.prepare(request)
        if prepared is not None:
            read = f"{prepared.usage.prompt_tokens} tokens read" if prepared.usage else "nothing read"
            logger.info("%s: made ready: %s, %d tests, %s", place.label, prepared.model, prepared.tests, read)
