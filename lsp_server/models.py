"""Bringing a model onto this machine: as a job of its own, or as the beginning of a run that lacks one."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import anyio.to_thread
from pygls.exceptions import JsonRpcException

from engine.config import Settings
from engine.errors import ModelError, ModelMissingError
from lsp_server.jobs import Job

if TYPE_CHECKING:
    from engine.models.catalogue import ModelEntry
    from lsp_server.server import GreenfinchServer

_KEPT = "cancelled; what was downloaded is kept"
_GRACE_SECONDS = 1.0  # a pull that gets anything, or waits for pip, has noticed by then that it is to end


class _PullEndedError(Exception):
    """Raised into a pull whose job was cancelled."""


class Models:
    """Pulls models, and asks before it does so unbidden."""

    def __init__(self, server: GreenfinchServer) -> None:
        self._server = server

    def pull(self, name: str | None) -> Job:
        """Start to bring a model onto this machine; without a name the one that the settings ask for.

        Raises:
            ModelError: there is no such model.
            JobRefusedError: it is being pulled.
        """
        from engine.models import catalogue

        known = catalogue.load()
        entry = known.entry(name) if name else wanted(self._server.settings.current)

        async def work(job: Job) -> None:
            if await self._fetch(job, entry.name):
                job.finish("passed", f"The model {entry.name} is ready.")
                self._server.client.tell(job.message)

        return self._server.jobs.start(entry.name, ("model", entry.name), f"Greenfinch: pulling {entry.name}", work)

    async def ensure(self, job: Job, settings: Settings) -> bool:
        """Whether a run with these settings may go on: its model is here, or the user let it be pulled just now, or
        nobody can be asked.

        A run that goes on without a model ends with an error that says what to do.
        """
        if await anyio.to_thread.run_sync(missing, settings) is None:
            return True
        entry = wanted(settings)
        pull = f"Pull {entry.name} ({entry.size / 1e6:,.0f} MB)"
        question = (
            f"Greenfinch needs a model on this machine, and {entry.name} is not there yet.  "
            f"Pull it now, once?  Licence: {entry.licence}."
        )
        job.say("waiting for your answer: there is no model yet")
        try:
            answer = await self._server.client.ask(question, pull, "Not now")
        except JsonRpcException:
            return True
        if answer != pull:
            job.finish("cancelled", f"not begun: {entry.name} is not on this machine")
            return False
        return await self._fetch(job, entry.name, lead=f"pulling {entry.name}: ")

    async def _fetch(self, job: Job, name: str, *, lead: str = "") -> bool:
        """Pull, with progress in the job, each line of it behind `lead`; False if that was cancelled.

        A pull that waits for a connection which has stalled is not waited for: it ends when it would next report, and
        until then keeps its lock, so that no other pull writes into what was downloaded.

        Raises:
            ModelError: it could not be pulled.
        """
        from engine.models.pull import pull

        unwanted, ended = threading.Event(), threading.Event()

        def progress(done: int, size: int, activity: str) -> None:  # in the worker thread
            if job.scope.cancel_called or unwanted.is_set():
                raise _PullEndedError
            line = f"{lead}{done / 1e6:,.0f} of {size / 1e6:,.0f} MB {activity}"
            anyio.from_thread.run_sync(job.say, line)

        def work() -> None:
            try:
                pull(name, progress=progress)
            finally:
                ended.set()

        try:
            await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        except _PullEndedError:
            job.finish("cancelled", _KEPT)
            return False
        except anyio.get_cancelled_exc_class():
            unwanted.set()
            with anyio.CancelScope(shield=True):  # an orderly end, which takes pip along, wherever there is one
                await anyio.to_thread.run_sync(ended.wait, _GRACE_SECONDS)
            job.finish("cancelled", _KEPT)
            raise
        self._server.status.changed()
        return True


def missing(settings: Settings) -> ModelMissingError | None:
    """That a run with these settings would lack its model.

    Raises:
        ModelError: the setting names no model that there could be.
    """
    if settings.servers or os.environ.get("GREENFINCH_SCRIPT"):
        return None
    from engine.models import store

    try:
        store.resolve(settings.model)
    except ModelMissingError as error:
        return error
    return None


def wanted(settings: Settings) -> ModelEntry:
    """The catalogue's entry that the settings ask for."""
    from engine.models import catalogue

    known = catalogue.load()
    return known.entry(known.default if settings.model == "auto" else settings.model)


def present(settings: Settings) -> str:
    """The name of the model that a run would use; empty if it lacks one."""
    if settings.servers or os.environ.get("GREENFINCH_SCRIPT"):
        return settings.model
    from engine.models import store

    try:
        return store.resolve(settings.model).name
    except ModelError:
        return ""
