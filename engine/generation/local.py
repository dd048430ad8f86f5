"""The local model host as a `Generator`: found if one runs, started if none does, replaced when it died or hangs.

What has failed is tried again by less demanding means.  The host itself goes from the GPU to fewer layers there, and to
the CPU (see `engine/host/ladder.py`); a model that cannot be used at all gives way to a smaller one here, where the
choice was left to `auto`: who names a model gets that one, or the error.
"""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
from attrs import define, evolve, field
from filelock import FileLock, Timeout

from engine.config import Settings
from engine.energy.base import Work
from engine.errors import HostError, ModelError
from engine.generation.again import persistently
from engine.generation.base import GeneratorInfo, LostError, Piece, SampleRequest, Usage
from engine.generation.endpoints import host_client
from engine.generation.launch import (
    MEMORY_SHORT,
    crashed,
    end_hosts,
    ended_in_order,
    last_words,
    log_path,
    reason,
    socket_path,
    start_host,
)
from engine.generation.openai import OpenAIGenerator
from engine.models import store

START_SECONDS = 600.0  # the largest models take minutes from a slow disk
SILENCE_SECONDS = 20.0  # the host says every 5 seconds that it lives
HEALTH_SECONDS = 10.0  # it answers this within milliseconds
MOST_SILENCES = 2  # in a row; then it hangs
MOST_TRIES = 3  # of one sample, and of a start that crashes: on all of the GPU, on half of it, on the CPU
MOST_LOST = 4  # hosts, within
LOST_SECONDS = 300.0  # of each other; then what kills them would kill the next one, too
POLL_SECONDS = 0.05
RETRY_SECONDS = 1.0

Progress = Callable[[str], None]


class _SilentError(Exception):
    """A host is there, and does not answer."""


@define
class _Connection:
    """To one host."""

    model: store.ModelFile
    socket: Path
    client: httpx.AsyncClient
    generator: OpenAIGenerator


@define
class _Spent:
    """The work of the host in use, as told last, and of those that it replaced.

    What a host that others have started had done before it was met here is not a part of it.

    Attributes:
        lost: when hosts were lost, by their process ids; long ago, for those that ended in order, as idle ones do.
    """

    pid: int = 0
    met: Work = field(factory=Work)
    now: Work = field(factory=Work)
    before: Work = field(factory=Work)
    lost: dict[int, float] = field(factory=dict)
    started: set[int] = field(factory=set)

    def learn(self, health: dict[str, Any]) -> None:
        pid, now = int(health["pid"]), _work_of(health)
        if self.pid != pid:
            self.before = self.total
            self.pid, self.met = pid, Work() if pid in self.started else now
        self.now = now

    def lose(self, pid: int, *, in_order: bool) -> None:
        """A sample has lost this host; what the first one says of it holds, since the next host begins a new log."""
        self.lost.setdefault(pid, -math.inf if in_order else time.monotonic())

    @property
    def total(self) -> Work:
        return self.before + self.now.since(self.met)


def _work_of(health: dict[str, Any]) -> Work:
    prompt = float(health.get("prompt_seconds", 0.0))
    decode = float(health.get("decode_seconds", prompt)) - prompt
    on_gpu = (prompt, decode) if health.get("device") not in (None, "CPU") else (0.0, 0.0)
    return Work(float(health["cpu_seconds"]), prompt, decode, *on_gpu)


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
        self._spent = _Spent()
        self._first = ""  # the model that was meant
        self._unusable: dict[str, str] = {}  # models that could not be used, and why

    async def prepare(self) -> GeneratorInfo:
        """Make sure that a host runs and has loaded the model; with `auto`, another model where that cannot be.

        Raises:
            ModelError: there is no such model on this machine.
            HostError: the host could not be started; the text holds the end of its log.
        """
        async with self._preparing:
            while True:
                connection = await self._connect()
                self._first = self._first or connection.model.name
                try:
                    health = await self._ready(connection)
                    break
                except HostError as error:
                    if not await self._step_down(connection.model, error):
                        raise
            self._spent.learn(health)
            details = {
                "file": str(connection.model.path),
                "threads": str(health.get("most_threads", "")),
                "context_tokens": str(health.get("context_tokens", "")),
                "host_pid": str(health.get("pid", "")),
            }
            model, rung = connection.model, str(health.get("fallback") or "")
            whys = [f"chosen by auto: {model.why}"] if model.why else []
            whys += [f"{name} could not be used: {what}" for name, what in self._unusable.items()]
            parts = ("llama.cpp", health.get("device", "CPU"), rung, health.get("note"), "; ".join(whys))
            how = ", ".join(filter(None, parts))
            other = f"{model.name} in place of {self._first}" if model.name != self._first else ""
            fallback = "; ".join(filter(None, (other, rung)))
            parameters = int(health.get("parameters") or 0)
            return GeneratorInfo(model.name, f"this machine ({how})", details, fallback, parameters)

    async def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        """Stream one sample.  When the host dies or hangs meanwhile, a fresh one samples it again.

        Raises:
            HostError: it could not be started again, or died each time.
        """
        if self._connection is None:
            await self.prepare()
        losses = 0
        at, pid, heard = self._connection, self._spent.pid, False

        async def attempt(request: SampleRequest) -> AsyncGenerator[Piece, None]:
            nonlocal at, pid, heard
            at, pid, heard = self._connection, self._spent.pid, False
            assert at is not None  # noqa: S101 - `prepare` has set it
            async with aclosing(at.generator.sample(request)) as pieces:
                async for piece in pieces:
                    heard = True
                    yield piece

        async def mend(error: LostError) -> str:
            nonlocal losses
            assert at is not None  # noqa: S101 - it was lost
            losses += 1
            self._spent.lose(pid, in_order=not heard and ended_in_order(at.socket))
            lately = [when for when in self._spent.lost.values() if when > time.monotonic() - LOST_SECONDS]
            if losses == MOST_TRIES or len(lately) >= MOST_LOST:
                died = self._died(at)
                if not await self._step_down(at.model, died):
                    raise died from error
                losses = 0
            self._progress("the model host was lost; starting it afresh")
            fallback = (await self.prepare()).fallback
            return f"the model host was lost and started afresh: {fallback}" if fallback else ""

        async with aclosing(persistently(request, attempt, mend)) as pieces:
            async for piece in pieces:
                yield piece

    async def read_ahead(self, request: SampleRequest) -> Usage | None:
        """Raises: HostError, LostError.  Nothing is tried again: what follows will do that, if anything follows."""
        if self._connection is None:
            await self.prepare()
        assert self._connection is not None  # noqa: S101 - `prepare` has set it
        return await self._connection.generator.read_ahead(request)

    async def work(self) -> Work | None:
        """What the host's process has done, and those that it replaced, as far as it is told; None before the first."""
        health = None
        if self._connection is not None:
            with suppress(_SilentError):
                health = await self._health(self._connection.client)
        if health is not None:
            self._spent.learn(health)
        return self._spent.total if self._spent.pid else None

    async def aclose(self) -> None:
        """Close the connections; the host stays until it has been idle for long enough."""
        if self._connection is not None:
            await self._connection.client.aclose()
            self._connection = None

    async def _connect(self) -> _Connection:
        model = await anyio.to_thread.run_sync(self._resolve)
        path = socket_path(model.path, self._settings)
        if self._connection is not None:
            if self._connection.socket == path:
                return self._connection
            await self.aclose()  # the model's file was replaced meanwhile
        client = host_client(path, timeout=httpx.Timeout(SILENCE_SECONDS, pool=None))
        generator = OpenAIGenerator(client, model=model.name, where="The model host", own=True)
        self._connection = _Connection(model, path, client, generator)
        return self._connection

    def _resolve(self) -> store.ModelFile:
        """The model to use; for `auto` the one in use as long as it can be, since what that means changes with free
        memory."""
        if self._settings.model == "auto" and self._connection is not None:
            model = self._connection.model
            if model.name not in self._unusable:
                with suppress(ModelError):
                    return evolve(store.find(model.name), why=model.why)
        return store.resolve(self._settings.model, frozenset(self._unusable))

    async def _step_down(self, model: store.ModelFile, error: HostError) -> bool:
        """Whether another model is there to go on with; then `error` is why `model` is not used any more."""
        if model.name in self._unusable:
            return True  # another sample has found that out already
        if self._settings.model != "auto":
            return False
        without = {**self._unusable, model.name: error.what.rstrip(".")}
        try:
            other = await anyio.to_thread.run_sync(store.resolve, "auto", frozenset(without))
        except ModelError:
            return False
        self._unusable = without
        self._spent.lost.clear()  # these were the other model's
        self._progress(f"{model.name} cannot be used; going on with {other.name}")
        return True

    async def _ready(self, connection: _Connection) -> dict[str, Any]:
        """Wait until the host answers that it is ready, starting it if nobody else does."""
        path = connection.socket
        starting = FileLock(path.with_suffix(".start"), thread_local=False)
        process: subprocess.Popen[bytes] | None = None
        said = ""
        silences = crashes = 0
        try:
            with anyio.fail_after(START_SECONDS):
                while True:
                    try:
                        health = await self._health(connection.client)
                    except _SilentError:
                        silences += 1
                        if silences >= MOST_SILENCES and _acquired(starting):
                            self._progress("the model host hangs; ending it")
                            await anyio.to_thread.run_sync(end_hosts, path)
                            process, silences = None, 0
                        continue
                    silences = 0
                    if health and health["status"] == "ok":
                        self._spent.learn(health)
                        return health
                    if health and health.get("error"):
                        raise self._not_started(connection, str(health["error"]), health.get("error_code"))
                    if process is not None and process.poll() is not None and health is None:
                        crashes += crashed(process.returncode)
                        if process.returncode != 0 and (not crashed(process.returncode) or crashes == MOST_TRIES):
                            raise self._not_started(connection, last_words(path), reason(process.returncode))
                        # It met another host, which starts, ends or hangs: give that one time.  Or it crashed: then
                        # perhaps a driver did it, and the next one asks less of the GPU.
                        process = None
                        await anyio.sleep(RETRY_SECONDS)
                        continue
                    if health is None and process is None and _acquired(starting):  # nobody else is starting one now,
                        if await self._somebody(connection.client):  # but somebody has just done so
                            continue
                        process = start_host(connection.model.path, connection.model.name, path, self._settings)
                        self._spent.started.add(process.pid)
                    message = f"loading {connection.model.name}" if health else "starting the model host"
                    if message != said:
                        self._progress(said := message)
                    await anyio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            why = f"it was not ready after {START_SECONDS:.0f} seconds"
            raise self._not_started(connection, why, None) from error
        finally:
            starting.release()

    @staticmethod
    async def _health(client: httpx.AsyncClient) -> dict[str, Any] | None:
        """What the host says of itself; None if nobody is there."""
        try:
            reply = await client.get("http://localhost/health", timeout=HEALTH_SECONDS)
            health = reply.json()
        except httpx.TimeoutException as error:
            raise _SilentError from error
        except (httpx.TransportError, ValueError):
            return None
        return health if isinstance(health, dict) else None

    async def _somebody(self, client: httpx.AsyncClient) -> bool:
        try:
            return await self._health(client) is not None
        except _SilentError:
            return True

    @staticmethod
    def _not_started(connection: _Connection, why: str, code: str | None) -> HostError:
        model = connection.model
        remedy = f"Check or replace the file {model.path}"
        if code == MEMORY_SHORT:
            remedy = "End other programs, or choose a smaller model"
        elif model.entry is not None:
            remedy = f"Check the model with `greenfinch models verify {model.name}`"
        return HostError(
            f"The model host could not be started: {why.rstrip('.')}.",
            remedy=f"{remedy}; the host's log is {log_path(connection.socket)}.",
        )

    @staticmethod
    def _died(connection: _Connection) -> HostError:
        path = connection.socket
        return HostError(
            f"The model host was lost again and again while it was sampling: {last_words(path)}",
            remedy=f"Its log is {log_path(path)}.",
        )


def _acquired(lock: FileLock) -> bool:
    if lock.is_locked:
        return True
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except OSError as error:
        raise HostError(
            f"The model host could not be started: {lock.lock_file} cannot be written: {error.strerror}.",
            remedy="Make room there, or set XDG_RUNTIME_DIR to another folder that only you can open.",
        ) from error
    return True
