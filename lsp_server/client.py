"""What the editor at the other end can do, and bounded ways to ask it.

Every request to the client goes through here: none is sent that the client did not say it supports, and none is waited
for without a limit, but for those that ask its user: they stand until they are answered or the job is cancelled.  A
client that never answers another one costs a job some seconds, and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import math
import uuid
from typing import TYPE_CHECKING, Any

import anyio
from attrs import frozen
from lsprotocol import types
from pygls.capabilities import get_capability
from pygls.exceptions import JsonRpcException

if TYPE_CHECKING:
    from lsp_server.server import GreenfinchServer

logger = logging.getLogger(__name__)


@frozen
class Applied:
    """The client's answer to an edit; `reason` says why it was not applied."""

    ok: bool
    reason: str = ""


class Client:
    """The editor.

    Args:
        patience: seconds that a request which may ask its user something (an edit) is waited for.
    """

    def __init__(self, server: GreenfinchServer, patience: float) -> None:
        self._server = server
        self.patience = patience
        self._brief = min(5.0, patience)
        self.name = ""  # as the client calls itself, set on `initialize`

    def can(self, capability: str) -> Any:
        """The value of a capability by its dotted snake_case name; None where the client says nothing."""
        return get_capability(self._server.client_capabilities, capability)

    @property
    def knows_code_actions(self) -> bool:
        """False for clients of the protocol's first days, which take plain commands only."""
        return self.can("text_document.code_action.code_action_literal_support") is not None

    @property
    def shows_disabled_actions(self) -> bool:
        return bool(self.can("text_document.code_action.disabled_support"))

    @property
    def shows_documents(self) -> bool:
        """Whether it opens documents for a server.  Helix does, and does not say so."""
        return bool(self.can("window.show_document.support")) or self.name.lower().startswith("helix")

    @property
    def takes_document_changes(self) -> bool:
        """Whether edits can carry the version they are for.

        Neovim leaves the flag out and applies them; its resource operations, which exist only in versioned edits,
        give it away.
        """
        says = self.can("workspace.workspace_edit.document_changes")
        return bool(self.can("workspace.workspace_edit.resource_operations") if says is None else says)

    @property
    def prints_labels(self) -> bool:
        """Whether it prints an edit's label as a message.  Neovim does: with the proof, which is told besides, that is
        more than its one line for messages, and the user has to press <Enter> before the next key counts."""
        return self.name.lower().startswith(("neovim", "nvim"))

    @property
    def takes_annotations(self) -> bool:
        return self.takes_document_changes and bool(self.can("workspace.workspace_edit.change_annotation_support"))

    def tell(self, message: str, kind: types.MessageType = types.MessageType.Info) -> None:
        """Show one message to the user."""
        self._server.window_show_message(types.ShowMessageParams(kind, message))

    def log(self, message: str, kind: types.MessageType = types.MessageType.Log) -> None:
        """Add to the editor's log of this server."""
        self._server.window_log_message(types.LogMessageParams(kind, message))

    async def ask(self, message: str, *answers: str) -> str | None:
        """Let the user choose among answers, for as long as that takes; None if this was closed without a choice.

        Raises:
            JsonRpcException: this client cannot ask.
        """
        actions = [types.MessageActionItem(answer) for answer in answers]
        params = types.ShowMessageRequestParams(types.MessageType.Info, message, actions)
        chosen = await self._request(types.WINDOW_SHOW_MESSAGE_REQUEST, params, math.inf)
        return None if chosen is None else str(chosen.title)

    async def apply(self, params: types.ApplyWorkspaceEditParams, *, asks: bool = False) -> Applied:
        """Ask for a workspace edit; `asks`: the editor shows it to its user first, which may take any time."""
        if not self.can("workspace.apply_edit"):
            return Applied(False, "the editor does not let servers edit")
        patience = math.inf if asks else self.patience
        try:
            result = await self._request(types.WORKSPACE_APPLY_EDIT, params, patience)
        except TimeoutError:
            return Applied(False, f"the editor did not answer within {self.patience:.0f} s")
        except JsonRpcException as error:
            return Applied(False, error.message)
        return Applied(bool(result.applied), result.failure_reason or "the editor refused it")

    async def show(self, uri: str, *, take_focus: bool) -> bool:
        """Open a document in the editor; whether it did."""
        if not self.shows_documents:
            return False
        params = types.ShowDocumentParams(uri, take_focus=take_focus)
        try:
            return bool((await self._request(types.WINDOW_SHOW_DOCUMENT, params, self._brief)).success)
        except (TimeoutError, JsonRpcException) as error:
            logger.warning("window/showDocument: %s", error)
            return False

    async def create_progress(self, token: str) -> bool:
        """Announce a progress token; whether reports with it may be sent."""
        if not self.can("window.work_done_progress"):
            return False
        params = types.WorkDoneProgressCreateParams(token)
        try:
            await self._request(types.WINDOW_WORK_DONE_PROGRESS_CREATE, params, self._brief)
        except (TimeoutError, JsonRpcException) as error:
            logger.warning("window/workDoneProgress/create: %s", error)
            return False
        return True

    def progress(self, token: str, value: Any) -> None:
        """Send a begin, report or end with a token that `create_progress` announced."""
        self._server.protocol.notify(types.PROGRESS, types.ProgressParams(token, value))

    def send_status(self, status: dict[str, Any]) -> None:
        """Tell a client that asked for it what the server is at."""
        self._server.protocol.notify("greenfinch/status", status)

    async def refresh_lenses(self) -> None:
        """Let the client ask for its code lenses again."""
        if not self.can("workspace.code_lens.refresh_support"):
            return
        try:
            await self._request(types.WORKSPACE_CODE_LENS_REFRESH, None, self._brief)
        except (TimeoutError, JsonRpcException) as error:
            logger.warning("workspace/codeLens/refresh: %s", error)

    async def configuration(self, *sections: str, scope: str | None = None) -> list[Any] | None:
        """The values of settings sections, in order; None if the client has no such request or does not answer.

        `scope`: the uri of what they are for.
        """
        if not self.can("workspace.configuration"):
            return None
        items = [types.ConfigurationItem(scope_uri=scope, section=section) for section in sections]
        params = types.ConfigurationParams(items)
        try:
            values = await self._request(types.WORKSPACE_CONFIGURATION, params, self._brief)
        except (TimeoutError, JsonRpcException) as error:
            logger.warning("workspace/configuration: %s", error)
            return None
        values = list(values or [])
        return values + [None] * (len(sections) - len(values))

    async def watch_configuration(self) -> None:
        """Ask to be told of changed settings, where that has to be asked for."""
        if not self.can("workspace.did_change_configuration.dynamic_registration"):
            return
        options = types.DidChangeConfigurationRegistrationOptions("greenfinch")
        method = types.WORKSPACE_DID_CHANGE_CONFIGURATION
        registration = types.Registration("greenfinch-settings", method, options)
        try:
            params = types.RegistrationParams([registration])
            await self._request(types.CLIENT_REGISTER_CAPABILITY, params, self._brief)
        except (TimeoutError, JsonRpcException) as error:
            logger.warning("client/registerCapability: %s", error)

    async def _request(self, method: str, params: Any, seconds: float) -> Any:
        """Raises TimeoutError, or JsonRpcException with the client's own error."""
        protocol, msg_id = self._server.protocol, str(uuid.uuid4())
        future = protocol.send_request(method, params, msg_id=msg_id)
        try:
            with anyio.fail_after(seconds):
                return await asyncio.wrap_future(future)
        finally:
            protocol.forget(msg_id)
