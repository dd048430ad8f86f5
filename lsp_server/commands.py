"""The commands.  Every one answers at once, with a job's id where it starts one: some clients block until it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol.types import MessageType
from pygls.uris import to_fs_path

from engine.errors import GreenfinchError
from lsp_server import places, reports
from lsp_server.examining import examine
from lsp_server.jobs import Job
from lsp_server.places import Place

if TYPE_CHECKING:
    from lsp_server.server import GreenfinchServer

Answer = dict[str, Any]


def register(server: GreenfinchServer) -> None:
    """Register all of them; README.md in this folder has their arguments and answers."""
    _register_runs(server)
    _register_others(server)
    _register_views(server)


def _register_runs(server: GreenfinchServer) -> None:
    async def start(begin: Callable[[Place], Job], arguments: tuple[Any, ...]) -> Answer:
        try:
            search = places.from_arguments(server.documents, arguments)
            return _started(begin(await server.targets.certain(search)))
        except GreenfinchError as error:
            return _refused(server, error)

    @server.command("greenfinch.implement")
    async def implement(*arguments: Any) -> Answer:
        return await start(server.worker.implement, arguments)

    @server.command("greenfinch.reapply")
    async def reapply(*arguments: Any) -> Answer:
        return await start(server.worker.reapply, arguments)

    @server.command("greenfinch.answer")
    async def answer(*arguments: Any) -> Answer:
        index = _given(arguments).get("index")
        try:
            place = await server.targets.certain(places.from_arguments(server.documents, arguments))
            server.worker.answer(place, index if isinstance(index, int) else 0)
        except GreenfinchError as error:
            return _refused(server, error)
        return {}

    @server.command("greenfinch.cancel")
    async def cancel(*arguments: Any) -> Answer:
        given = _given(arguments)
        try:
            if "job" in given:
                jobs = server.jobs.cancel(job_id=str(given["job"]))
            elif given:
                search = places.from_arguments(server.documents, arguments)
                jobs = server.jobs.cancel(key=(await server.targets.certain(search)).key)
            else:
                jobs = server.jobs.cancel()
        except GreenfinchError as error:
            return {"cancelled": [], "reason": str(error)}
        return {"cancelled": [job.id for job in jobs]}


def _register_others(server: GreenfinchServer) -> None:
    @server.command("greenfinch.holds")
    def holds(*arguments: Any) -> Answer:
        reason = server.worker.objection(str(_given(arguments).get("job")))
        return {"holds": not reason, "reason": reason}

    @server.command("greenfinch.pullModel")
    def pull_model(*arguments: Any) -> Answer:
        try:
            return _started(server.models.pull(_given(arguments).get("model")))
        except GreenfinchError as error:
            return _refused(server, error)

    @server.command("greenfinch.doctor")
    def doctor(*arguments: Any) -> Answer:
        given = _given(arguments)
        try:
            return _started(examine(server, _root(server, given.get("uri")), show=given.get("show") is not False))
        except GreenfinchError as error:
            return _refused(server, error)

    @server.command("greenfinch.explain")
    def explain(*arguments: Any) -> Answer:
        server.client.tell(str(_given(arguments).get("reason", "")), MessageType.Warning)
        return {}


def _register_views(server: GreenfinchServer) -> None:
    @server.command("greenfinch.status")
    async def status(*arguments: Any) -> Answer:
        wanted = _given(arguments).get("job")
        whole = wanted is not None
        jobs = [job.as_json(whole=whole) for job in server.jobs.all() if not whole or job.id == str(wanted)]
        return {**await server.status.now(), "jobs": jobs}

    @server.command("greenfinch.showReport")
    def show_report(*arguments: Any) -> Answer:
        given = _given(arguments)
        job_id = given.get("job")
        job = server.jobs.find(None if job_id is None else str(job_id))
        if job is None or not job.report:
            message = "There is no report: nothing was tried in vain." if job is None else f"{job.label}: {job.message}"
            server.client.tell(message)
            return {"job": job.id if job else None, "report": ""}
        _show(server, given, job.label, job.report)
        return {"job": job.id, "report": job.report}

    @server.command("greenfinch.showLastRun")
    def show_last_run(*arguments: Any) -> Answer:
        given = _given(arguments)
        job = server.jobs.latest_run()
        if job is None:
            server.client.tell("Nothing has been implemented yet in this window.")
            return {"job": None, "report": ""}
        if not job.account:
            server.client.tell(f"{job.label}: {job.message}")
        else:
            _show(server, given, job.label, job.account)
        return {**job.as_json(), "report": job.account}


def _show(server: GreenfinchServer, given: dict[str, Any], label: str, markdown: str) -> None:
    if given.get("show") is not False:
        server.jobs.background(lambda: reports.show(server.client, label, markdown))


def _started(job: Job) -> Answer:
    return {"job": job.id}


def _refused(server: GreenfinchServer, error: GreenfinchError) -> Answer:
    server.client.tell(str(error), MessageType.Warning)
    return {"job": None, "reason": str(error)}


def _given(arguments: tuple[Any, ...]) -> dict[str, Any]:
    return dict(arguments[0]) if arguments and isinstance(arguments[0], dict) else {}


def _root(server: GreenfinchServer, uri: Any) -> Path:
    """The workspace folder of a document; without one the first there is, or the working folder."""
    path = to_fs_path(uri) if isinstance(uri, str) and uri.startswith("file:") else None
    if path:  # a buffer without a name has none
        return server.documents.root_of(Path(path))
    folders = [to_fs_path(folder.uri) for folder in server.documents.folders.values()] or [server.documents.root_path]
    return Path(folders[0]) if folders and folders[0] else Path.cwd()
