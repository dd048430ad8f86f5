"""The language server: every handler is registered here, and hands on to the class whose subject it is."""

from __future__ import annotations

import logging
from threading import Event
from typing import TYPE_CHECKING, Any

import anyio
from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.protocol import default_converter

from engine import version
from engine.errors import GreenfinchError
from lsp_server import places
from lsp_server.actions import KINDS, Actions
from lsp_server.client import Client
from lsp_server.documents import Documents
from lsp_server.jobs import Job, Jobs
from lsp_server.protocol import Protocol
from lsp_server.settings import ClientSettings
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
        self.worker = Worker(self)
        self.actions = Actions(self)

    @property
    def documents(self) -> Documents:
        workspace = self.workspace
        assert isinstance(workspace, Documents)  # noqa: S101 - put there on `initialize`
        return workspace

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
    _register_commands(server)

    options = types.CodeActionOptions(code_action_kinds=list(KINDS), resolve_provider=False)

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, options)
    async def code_action(params: types.CodeActionParams) -> list[types.CodeAction | types.Command]:
        return await server.actions.listing(params)

    return server


def _register_lifecycle(server: GreenfinchServer) -> None:
    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        server.client.name = params.client_info.name if params.client_info else ""
        server.protocol.adopt(Documents.like(server.workspace))
        server.settings.start(params.initialization_options)

    @server.feature(types.INITIALIZED)
    def initialized(params: types.InitializedParams) -> None:
        server.jobs.background(server.settings.refresh)

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def did_change_configuration(params: types.DidChangeConfigurationParams) -> None:
        await server.settings.changed(params.settings)

    @server.feature(types.WINDOW_WORK_DONE_PROGRESS_CANCEL)
    def cancel_progress(params: types.WorkDoneProgressCancelParams) -> None:
        server.jobs.cancel(token=params.token)

    @server.feature(types.SHUTDOWN)
    async def shutdown(params: Any) -> None:
        await server.jobs.cancel_all(_SHUTDOWN_SECONDS)


def _register_commands(server: GreenfinchServer) -> None:
    """Every command answers at once, with a job's id where it starts one; some clients block until it does."""

    def started(job: Job) -> dict[str, Any]:
        return {"job": job.id}

    def refused(error: GreenfinchError) -> dict[str, Any]:
        server.client.tell(str(error), types.MessageType.Warning)
        return {"job": None, "reason": str(error)}

    @server.command("greenfinch.implement")
    def implement(*arguments: Any) -> dict[str, Any]:
        try:
            return started(server.worker.implement(places.from_arguments(server.documents, arguments)))
        except GreenfinchError as error:
            return refused(error)

    @server.command("greenfinch.reapply")
    def reapply(*arguments: Any) -> dict[str, Any]:
        try:
            return started(server.worker.reapply(places.from_arguments(server.documents, arguments)))
        except GreenfinchError as error:
            return refused(error)

    @server.command("greenfinch.pullModel")
    def pull_model(*arguments: Any) -> dict[str, Any]:
        try:
            return started(server.worker.pull(_given(arguments).get("model")))
        except GreenfinchError as error:
            return refused(error)

    @server.command("greenfinch.cancel")
    def cancel(*arguments: Any) -> dict[str, Any]:
        given = _given(arguments)
        try:
            if "job" in given:
                jobs = server.jobs.cancel(job_id=str(given["job"]))
            elif given:
                jobs = server.jobs.cancel(key=places.from_arguments(server.documents, arguments).key)
            else:
                jobs = server.jobs.cancel()
        except GreenfinchError as error:
            return {"cancelled": [], "reason": str(error)}
        return {"cancelled": [job.id for job in jobs]}

    @server.command("greenfinch.status")
    def status(*arguments: Any) -> dict[str, Any]:
        return {"version": version(), "jobs": [job.as_json() for job in server.jobs.all()]}

    @server.command("greenfinch.showReport")
    def show_report(*arguments: Any) -> dict[str, Any]:
        job_id = _given(arguments).get("job")
        job = server.jobs.find(None if job_id is None else str(job_id))
        if job is None or not job.report:
            message = "There is no report: nothing was tried in vain." if job is None else f"{job.label}: {job.message}"
            server.client.tell(message)
            return {"job": job.id if job else None, "report": ""}
        server.jobs.background(lambda: server.worker.show(job))
        return {"job": job.id, "report": job.report}


def _given(arguments: tuple[Any, ...]) -> dict[str, Any]:
    return dict(arguments[0]) if arguments and isinstance(arguments[0], dict) else {}
