"""The local model host as a `Generator`: found if one runs, started if none does, and started afresh when it died."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
from attrs import define
from filelock import FileLock, Timeout

from engine.config import Settings
from engine.errors import GenerationError, HostError
from engine.generation.base import GeneratorInfo, Piece, SampleRequest
from engine.generation.launch import last_words, log_path, socket_path, start_host
from engine.generation.openai import OpenAIGenerator
from engine.models import store

START_SECONDS = 600.0  # the largest models take minutes from a slow disk
SILENCE_SECONDS = 60.0  # the host says every few seconds that it lives
POLL_SECONDS = 0.05
RETRY_SECONDS = 1.0

Progress = Callable[[str], None]


@define
class _Connection:
    """To one host."""

    model: store.ModelFile
    socket: Path
    client: httpx.AsyncClient
    generator: OpenAIGenerator


class LocalGenerator:
    """Samples from this machine's model host.

    Args:
        progress: told in a few words what `prepare` waits for.
    """

    def __init__(self, settings: Settings, *, progress: Progress = lambda _message: None) -> None:
        self._settings = settings
        self._progress = progress
        self._connection: _Connection | None = None
        self._preparing = anyio.Lock()

    async def prepare(self) -> GeneratorInfo:
        """Make sure that a host runs and has loaded the model.

        Raises:
            ModelError: there is no such model on this machine.
            HostError: the host could not be started; the text holds the end of its log.
        """
        async with self._preparing:
            connection = await self._connect()
            health = await self._ready(connection)
            device = health.get("device", "CPU")
            details = {
                "file": str(connection.model.path),
                "threads": str(health.get("threads", "")),
                "context_tokens": str(health.get("context_tokens", "")),
                "host_pid": str(health.get("pid", "")),
            }
            return GeneratorInfo(connection.model.name, f"this machine (llama.cpp, {device})", details)

    async def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        """Stream one sample.  A host that has gone since is started once more, as long as nothing was sampled.

        Raises:
            HostError: the host died in the middle, or again.
        """
        if self._connection is None:
            await self.prepare()
        again = True
        while True:
            connection = self._connection
            assert connection is not None  # noqa: S101 - `prepare` has set it
            started = False
            try:
                async with aclosing(connection.generator.sample(request)) as pieces:
                    async for piece in pieces:
                        started = True
                        yield piece
                return
            except GenerationError as error:
                if not isinstance(error.__cause__, httpx.TransportError):
                    raise
                if started or not again or isinstance(error.__cause__, httpx.TimeoutException):
                    raise self._died(connection.socket) from error
            again = False
            await self.prepare()

    async def cpu_seconds(self) -> float | None:
        """CPU time of the host's process; None while there is none."""
        if self._connection is None:
            return None
        health = await self._health(self._connection.client)
        return float(health["cpu_seconds"]) if health else None

    async def aclose(self) -> None:
        """Close the connections; the host stays until it has been idle for long enough."""
        if self._connection is not None:
            await self._connection.client.aclose()
            self._connection = None

    async def _connect(self) -> _Connection:
        model = await anyio.to_thread.run_sync(store.resolve, self._settings.model)
        path = socket_path(model.path, self._settings)
        if self._connection is not None:
            if self._connection.socket == path:
                return self._connection
            await self.aclose()  # the model's file was replaced meanwhile
        client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(path)),
            base_url="http://localhost/v1/",
            timeout=httpx.Timeout(SILENCE_SECONDS, pool=None),
            trust_env=False,
        )
        generator = OpenAIGenerator(client, model=model.name, where="The model host", own=True)
        self._connection = _Connection(model, path, client, generator)
        return self._connection

    async def _ready(self, connection: _Connection) -> dict[str, Any]:
        """Wait until the host answers that it is ready, starting it if nobody else does."""
        path = connection.socket
        starting = FileLock(path.with_suffix(".start"), thread_local=False)
        process: subprocess.Popen[bytes] | None = None
        said = ""
        try:
            with anyio.fail_after(START_SECONDS):
                while True:
                    health = await self._health(connection.client)
                    if health and health["status"] == "ok":
                        return health
                    if health and health.get("error"):
                        raise self._not_started(connection, str(health["error"]))
                    if process is not None and process.poll() is not None and health is None:
                        if process.returncode != 0:
                            raise self._not_started(connection, last_words(path))
                        process = None  # it met another host, which starts, ends or hangs: give that one time
                        await anyio.sleep(RETRY_SECONDS)
                        continue
                    if (
                        health is None
                        and process is None
                        and _acquired(starting)  # nobody else is starting one now,
                        and await self._health(connection.client) is None  # nor has somebody just done so
                    ):
                        process = start_host(connection.model.path, connection.model.name, path, self._settings)
                    message = f"loading {connection.model.name}" if health else "starting the model host"
                    if message != said:
                        self._progress(said := message)
                    await anyio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            raise self._not_started(connection, f"it was not ready after {START_SECONDS:.0f} seconds") from error
        finally:
            starting.release()

    @staticmethod
    async def _health(client: httpx.AsyncClient) -> dict[str, Any] | None:
        """What the host says of itself; None if nothing answers."""
        try:
            reply = await client.get("http://localhost/health", timeout=10.0)
            health = reply.json()
        except (httpx.TransportError, ValueError):
            return None
        return health if isinstance(health, dict) else None

    @staticmethod
    def _not_started(connection: _Connection, why: str) -> HostError:
        return HostError(
            f"The model host could not be started: {why}",
            remedy=f"Check the model with `greenfinch models verify {connection.model.name}`;"
            f" the host's log is {log_path(connection.socket)}.",
        )

    @staticmethod
    def _died(path: Path) -> HostError:
        return HostError(
            f"The model host died while it was sampling: {last_words(path)}",
            remedy=f"It is started afresh with the next attempt; its log is {log_path(path)}.",
        )


def _acquired(lock: FileLock) -> bool:
    if lock.is_locked:
        return True
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True
