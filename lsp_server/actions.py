"""Code actions: what Greenfinch offers to do at a place, or why it cannot.

Listing them never runs the user's code, never loads a model and never waits long: it parses the buffer, looks for
tests that mention the target, and looks whether the model's file is there.  What follows the answer to a menu that
somebody has opened is `preparing`'s matter.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import anyio
from attrs import evolve, frozen
from lsprotocol import types

from engine.config import Settings
from engine.errors import ModelError, TargetNotFoundError
from engine.languages.base import TargetKind
from lsp_server import places
from lsp_server.models import missing, wanted
from lsp_server.places import Place, UnknownLanguageError
from lsp_server.work import UNTRUSTED

if TYPE_CHECKING:
    from lsp_server.server import GreenfinchServer

logger = logging.getLogger(__name__)

REWRITE = "refactor.rewrite.greenfinch"
KINDS = (REWRITE, types.CodeActionKind.QuickFix.value)
TITLES: dict[TargetKind, str] = {
    "function": "Generate & verify implementation",
    "method": "Generate & verify implementation",
    "class": "Implement all stubs in this class",
    "module": "Implement all stubs in this file",
}
FIX = "Fix until the tests pass"  # what a function with a body is offered
_LOOK_SECONDS = 1.0
_DEFINITION = re.compile(r"\s*(?:async\s+def|def|class)\b")


@frozen
class Offered:
    """One line of the menu: a command under a title, or a reason why there is none.

    Attributes:
        asks: chosen in spite of the reason, the command asks the user to remove it.
        place: what choosing it implements, if it does.
    """

    title: str
    kind: str
    command: str = ""
    argument: dict[str, Any] | None = None
    disabled: str = ""
    preferred: bool = False
    asks: bool = False
    place: Place | None = None

    def explained(self) -> Offered:
        """The same for a client that cannot show disabled actions: choosing it tells the reason."""
        if not self.disabled or self.asks:
            return evolve(self, disabled="")
        argument = {"reason": self.disabled}
        return Offered(f"{self.title}: not possible, why?", self.kind, "greenfinch.explain", argument)

    def action(self) -> types.CodeAction:
        if self.disabled:
            return types.CodeAction(self.title, kind=self.kind, disabled=types.CodeActionDisabled(self.disabled))
        return types.CodeAction(self.title, kind=self.kind, command=self.plain(), is_preferred=self.preferred or None)

    def plain(self) -> types.Command:
        return types.Command(self.title, self.command, arguments=[self.argument] if self.argument is not None else [])


class Actions:
    """Answers `textDocument/codeAction`."""

    def __init__(self, server: GreenfinchServer) -> None:
        self._server = server
        self._looking = threading.Lock()  # a search that was not waited for goes on; no second one beside it

    async def listing(self, params: types.CodeActionParams) -> list[types.CodeAction | types.Command]:
        """The actions for a range, in the form that this client takes."""
        only = params.context.only
        offered = [each async for each in self._all(params) if only is None or _wanted(each.kind, only)]
        if params.context.trigger_kind == types.CodeActionTriggerKind.Invoked:
            possible = [each.place for each in offered if each.place is not None and not each.disabled]
            for place in [place for place in possible if place.target.is_stub][:1]:
                self._server.preparing.offered(place)
        client = self._server.client
        if not client.shows_disabled_actions:
            offered = [each.explained() for each in offered]
        if only is None:  # one menu for all: a title needs one line in it, under the kind that stands first there
            offered = list({each.title: each for each in offered}.values())
        if not client.knows_code_actions:
            return list({each.title: each.plain() for each in offered if not each.disabled}.values())
        return [each.action() for each in offered]

    async def _all(self, params: types.CodeActionParams) -> AsyncIterator[Offered]:
        try:
            uri, position = params.text_document.uri, params.range.start
            search = places.search_at(self._server.documents, uri, position)
            place = await self._server.targets.current(search)
        except UnknownLanguageError:
            return
        except TargetNotFoundError as error:
            if self._on_definition(params):
                yield Offered(TITLES["function"], REWRITE, disabled=str(error))
            return
        except OSError as error:
            logger.info("no actions: %s", error)
            return
        if place is None:
            return  # the text has changed, and its client asks again
        kinds = KINDS if place.target.is_stub else KINDS[:1]
        for each in await self._at(place):
            for kind in kinds:
                yield evolve(each, kind=kind)

    def _on_definition(self, params: types.CodeActionParams) -> bool:
        """Whether the user points at a definition; anywhere else nothing to offer needs no explanation."""
        try:
            lines = self._server.documents.get_text_document(params.text_document.uri).lines
        except OSError:
            return False
        line = params.range.start.line
        return line < len(lines) and _DEFINITION.match(lines[line]) is not None

    async def _at(self, place: Place) -> list[Offered]:
        is_body = place.target.kind in ("function", "method") and not place.target.is_stub
        title = FIX if is_body else TITLES[place.target.kind]
        if (job := self._server.jobs.running(place.key)) is not None:
            return [Offered(f"Cancel: {job.label}", REWRITE, "greenfinch.cancel", {"job": job.id})]
        offered = []
        if (offer := self._server.worker.offers.get(place.key)) is not None:
            again = f"Verify and apply again: {offer.proof}"
            offered.append(Offered(again, REWRITE, "greenfinch.reapply", place.argument, preferred=True))
        offered += [
            Offered(f"Write the test: {line}", REWRITE, "greenfinch.answer", {**place.argument, "index": index})
            for index, line in enumerate(self._server.worker.answers_at(place))
            if line
        ]
        if not self._server.settings.trusted:
            return [Offered(title, REWRITE, disabled=UNTRUSTED)]
        reason = await self._no_tests(place)
        pull: Offered | None = None
        if not reason:
            reason, pull = _no_model(self._server.settings.current)
        asks = pull is not None
        offered.append(Offered(title, REWRITE, "greenfinch.implement", place.argument, reason, asks=asks, place=place))
        return [*offered, pull] if pull is not None else offered

    async def _no_tests(self, place: Place) -> str:
        """Why no test can be the judge; empty if some may, or if that takes too long to find out here."""
        if self._server.settings.current.test_command:
            return ""  # which of its tests are about the target shows when it is run
        buffers, answer = self._server.documents.buffers(), [""]

        def look() -> None:
            from engine.verification.nominate import nomination  # loaded on first use

            if not self._looking.acquire(timeout=_LOOK_SECONDS):
                return
            try:
                found = nomination(place.root, buffers, place.target.path, place.target.names)
            finally:
                self._looking.release()
            if found.files:
                return
            if any(">>>" in (function.docstring or "") for function in place.target.functions):
                return  # examples in a docstring are tests
            named = " or ".join(place.target.names)
            answer[0] = f"No test mentions {named}.  Looked at {found.looked_in} under {place.root}."

        with anyio.move_on_after(_LOOK_SECONDS):
            await anyio.to_thread.run_sync(look, abandon_on_cancel=True)
        return answer[0]


def _no_model(settings: Settings) -> tuple[str, Offered | None]:
    """Why no model can be used, and the offer to pull it."""
    try:
        error = missing(settings)
    except ModelError as other:
        return str(other), None
    if error is None:
        return "", None
    entry = wanted(settings)
    title = f"Pull the model {entry.name} ({entry.size / 1e6:,.0f} MB)"
    return str(error), Offered(title, REWRITE, "greenfinch.pullModel", {"model": entry.name})


def _wanted(kind: str, only: Any) -> bool:
    """Whether a kind is one of those asked for, or below one of them."""
    asked = [str(getattr(each, "value", each)) for each in only]
    return any(not each or kind == each or kind.startswith(f"{each}.") for each in asked)
