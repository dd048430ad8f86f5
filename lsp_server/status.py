"""What the server is at, for status lines: asked for by a command, or sent to clients that want to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from engine import version
from lsp_server.models import present

if TYPE_CHECKING:
    from lsp_server.server import GreenfinchServer

NOT_STARTED = "not started"


class Status:
    """The state that people care about.

    Attributes:
        host: where the latest run's tokens came from.
    """

    def __init__(self, server: GreenfinchServer) -> None:
        self._server = server
        self._sent: dict[str, Any] | None = None
        self._wanted = anyio.Event()
        self.host = NOT_STARTED

    async def now(self) -> dict[str, Any]:
        """See `greenfinch.status` in this folder's README."""
        settings, jobs = self._server.settings.current, self._server.jobs
        model = await anyio.to_thread.run_sync(present, settings)
        run = next((job for job in reversed(jobs.all()) if job.is_run and job.state != "running"), None)
        last = None if run is None else {**run.as_json(), "passed": run.state == "passed"}
        return {
            "version": version(),
            "model": model,
            "host": ", ".join(settings.servers) or self.host,
            "busy": [job.label for job in jobs.all() if job.state == "running"],
            "last": last,
            "trusted": self._server.settings.trusted,
        }

    def changed(self) -> None:
        """Something of it may be different now."""
        self._wanted.set()

    async def serve(self) -> None:
        """Send what has changed, each time that something has; for as long as the server serves."""
        if not self._server.settings.wants_status:
            return
        self._wanted.set()
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            status = await self.now()
            if status != self._sent:
                self._sent = status
                self._server.client.send_status(status)
