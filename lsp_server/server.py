"""The language server: every handler is registered here, and hands on to the class whose subject it is."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import anyio
from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.protocol import default_converter
from pygls.uris import to_fs_path

from engine import version
from lsp_server import commands
from lsp_server.actions import KINDS, Actions
from lsp_server.client import Client
from lsp_server.documents import Documents
from lsp_server.jobs import Jobs
from lsp_server.lenses import Lenses
from lsp_server.models import Models
from lsp_server.preparing import Preparing
from lsp_server.protocol import Protocol
from lsp_server.settings import ClientSettings
from lsp_server.status import Status
from lsp_server.targets import Targets
from lsp_server.work import Worker

if TYPE_CHECKING:
    from pygls.server import ServerErrors

logger = logging.getLogger(__name__)

CLIENT_SECONDS = 60.0
_SHUTDOWN_SECONDS = 3.0


class GreenfinchServer(LanguageServer):
    """The state of one connection.

    Args:
        client_seconds: how long a request which may ask the editor's user something is waited for.
    """

    protocol: Protocol

    def __init__(self, client_seconds: float = CLIENT_SECONDS) -> None:
        super().__init__(
            "greenfinch",
            version(),
            protocol_cls=Protocol,
            converter_factory=default_converter,
            text_document_sync_kind=types.TextDocumentSyncKind.Incremental,
        )
        self.stop_event = Event()
        self.stopped = anyio.Event()
        self.client = Client(self, client_seconds)
        self.settings = ClientSettings(self.client)
        self.jobs = Jobs(self.client)
        self._lenses_shown = False
        self.preparing = Preparing(self)
        self.worker = Worker(self)
        self.models = Models(self)
        self.status = Status(self)
        self.targets = Targets(lambda: self.documents)
        self.actions = Actions(self)
        self.lenses = Lenses(self)
        self.jobs.on_change = self.status.changed
        self.settings.on_change = self._settings_changed

    @property
    def documents(self) -> Documents:
        workspace = self.workspace
        assert isinstance(workspace, Documents)  # noqa: S101 - put there on `initialize`
        return workspace

    def _settings_changed(self) -> None:
        self.preparing.changed(None)
        self.status.changed()
        if self.settings.current.code_lens != self._lenses_shown:
            self._lenses_shown = self.settings.current.code_lens
            if self.jobs.are_served:
                self.jobs.background(self.client.refresh_lenses)

    def stop(self) -> None:
        """End serving: the loop that reads messages stops, and all jobs with it."""
        self.stop_event.set()
        self.stopped.set()

    def report_server_error(self, error: Exception, source: ServerErrors) -> None:
        """An error of the server itself: into its log (pygls shows each in a message box)."""
        logger.error("%s: %s", getattr(source, "__name__", source), error)


def create_server(client_seconds: float = CLIENT_SECONDS) -> GreenfinchServer:
    """A server with all its handlers, ready to be connected to a client."""
    server = GreenfinchServer(client_seconds)
    _register_lifecycle(server)
    commands.register(server)
    _register_menus(server)
    return server


def _register_menus(server: GreenfinchServer) -> None:
    options = types.CodeActionOptions(code_action_kinds=list(KINDS), resolve_provider=False)

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, options)
    async def code_action(params: types.CodeActionParams) -> list[types.CodeAction | types.Command]:
        return await server.actions.listing(params)

    @server.feature(types.TEXT_DOCUMENT_CODE_LENS, types.CodeLensOptions(resolve_provider=True))
    async def code_lens(params: types.CodeLensParams) -> list[types.CodeLens] | None:
        return await server.lenses.listing(params.text_document.uri)

    @server.feature(types.CODE_LENS_RESOLVE)
    async def resolve_lens(lens: types.CodeLens) -> types.CodeLens:
        return await server.lenses.resolved(lens)


def _register_lifecycle(server: GreenfinchServer) -> None:
    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        server.client.name = params.client_info.name if params.client_info else ""
        server.protocol.adopt(Documents.like(server.workspace))
        server.settings.start(params.initialization_options)

    @server.feature(types.INITIALIZED)
    def initialized(params: types.InitializedParams) -> None:
        server.jobs.background(server.settings.refresh)
        server.jobs.background(server.status.serve)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: types.DidChangeTextDocumentParams) -> None:
        path = to_fs_path(params.text_document.uri)
        server.preparing.changed(Path(path) if path else None)

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def did_change_configuration(params: types.DidChangeConfigurationParams) -> None:
        await server.settings.changed(params.settings)

    @server.feature(types.WINDOW_WORK_DONE_PROGRESS_CANCEL)
    def cancel_progress(params: types.WorkDoneProgressCancelParams) -> None:
        server.jobs.cancel(token=params.token)

    @server.feature("greenfinch/trust")
    def trust(params: Any) -> None:
        server.settings.trust(getattr(params, "trusted", None) is True)

    @server.feature(types.SHUTDOWN)
    async def shutdown(params: Any) -> None:
        server.preparing.drop()
        await server.jobs.cancel_all(_SHUTDOWN_SECONDS)
