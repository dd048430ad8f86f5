"""The one owner of long work.

A command's handler only starts a job here and answers; the job lives in a task group that outlives every handler and
ends with the server.  What goes wrong in a job ends that job alone, and its user is told what and what to do.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from contextlib import AsyncExitStack
from typing import Any, Literal, Self, TypeVar

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from attrs import define, field
from lsprotocol.types import MessageType

from engine.errors import GreenfinchError
from lsp_server.client import Client
from lsp_server.progress import Progress

logger = logging.getLogger(__name__)

State = Literal["running", "passed", "not passed", "not applied", "failed", "cancelled"]
_REMEMBERED = 20
T = TypeVar("T")


class JobRefusedError(GreenfinchError):
    """A job was not started."""


@define(eq=False)
class Job:
    """One piece of long work.

    Attributes:
        id: unique in this server.
        label: what it is about, for people.
        key: jobs with equal keys do not run side by side.
        message: the latest line of progress, or how it ended.
        report: Markdown about what was tried; empty if there is nothing to report.
        is_run: it implements a target.
        account: Markdown about a run that has ended, whether it passed or not.
        result: plain data, for whoever asked for the job.
    """

    id: str
    label: str
    key: Hashable
    progress: Progress
    state: State = "running"
    message: str = ""
    report: str = ""
    is_run: bool = False
    account: str = ""
    result: Any = None
    scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    ended: anyio.Event = field(factory=anyio.Event)

    def say(self, line: str) -> None:
        """Show a line of progress."""
        self.message = line
        self.progress.report(line)

    def finish(self, state: State, message: str) -> None:
        self.state = state
        self.message = message

    def as_json(self, *, whole: bool = False) -> dict[str, Any]:
        """What a client is told of it; with its report and result if it is `whole`."""
        brief = {"job": self.id, "label": self.label, "state": self.state, "message": self.message}
        return {**brief, "report": self.report, "result": self.result} if whole else brief


Work = Callable[[Job], Awaitable[None]]


class Jobs:
    """Starts, finds and cancels jobs.  An async context manager: leaving it cancels what still runs."""

    def __init__(self, client: Client) -> None:
        self.on_change: Callable[[], None] = lambda: None  # called when a job has begun or ended
        self._client = client
        self._numbers = itertools.count(1)
        self._running: dict[str, Job] = {}
        self._ended: deque[Job] = deque(maxlen=_REMEMBERED)
        self._stack = AsyncExitStack()
        self._group: TaskGroup | None = None
        self._steadfast: set[anyio.CancelScope] = set()

    async def __aenter__(self) -> Self:
        self._group = await self._stack.enter_async_context(anyio.create_task_group())
        return self

    async def __aexit__(self, *error: Any) -> None:
        if self._group is not None:
            self._group.cancel_scope.cancel()
        self._break_off()
        await self._stack.aclose()

    @property
    def are_served(self) -> bool:
        """Whether anything can be started: the server serves, and its client is there."""
        return self._group is not None

    def background(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run a server's own chore that nobody waits for."""
        assert self._group is not None, "jobs are started while the server serves"  # noqa: S101 - a defect, if ever
        self._group.start_soon(self._guarded, work)

    def start(self, label: str, key: Hashable, title: str, work: Work, *, is_run: bool = False) -> Job:
        """Start `work` and return at once.

        Raises:
            JobRefusedError: a job with this key is running.
        """
        if (other := self.running(key)) is not None:
            raise JobRefusedError(
                f"Greenfinch is already busy with {other.label}.", remedy="Wait for it, or cancel it first."
            )
        job = Job(str(next(self._numbers)), label, key, Progress(self._client, title), is_run=is_run)
        self._running[job.id] = job
        self.background(lambda: self._run(job, work))
        self.on_change()
        return job

    @property
    def is_implementing(self) -> bool:
        """Whether a job is at work that implements something."""
        return any(job.is_run for job in self._running.values())

    def running(self, key: Hashable) -> Job | None:
        """The job at work for `key`."""
        return next((job for job in self._running.values() if job.key == key), None)

    def find(self, job_id: str | None = None) -> Job | None:
        """The job of that id, at work or ended; without one the latest that has a report (a run rather than what else
        leaves one), or else that there was.
        """
        known = [*self._ended, *self._running.values()]
        if job_id is not None:
            return next((job for job in known if job.id == job_id), None)
        reported = sorted((job for job in known if job.report), key=lambda job: job.is_run)  # which keeps their order
        return next(reversed(reported or known), None)

    def latest_run(self) -> Job | None:
        """The latest job that implemented something, or is about to."""
        return next((job for job in reversed(self.all()) if job.is_run), None)

    def all(self) -> list[Job]:
        """Every job that is remembered, in the order of their start."""
        return sorted([*self._ended, *self._running.values()], key=lambda job: int(job.id))

    def cancel(self, *, job_id: str | None = None, key: Hashable = None, token: Any = None) -> list[Job]:
        """Cancel the job of that id, key or progress token; all of them if none of the three is given."""
        wanted = [
            job
            for job in self._running.values()
            if (job_id is None and key is None and token is None)
            or (job_id is not None and job.id == job_id)
            or (key is not None and job.key == key)
            or (token is not None and job.progress.token == token)
        ]
        for job in wanted:
            job.say("cancelling")
            job.scope.cancel()
        return wanted

    async def cancel_all(self, seconds: float) -> None:
        """Cancel everything and wait until it has cleaned up, for so long at most."""
        with anyio.move_on_after(seconds):
            cancelled = self.cancel()
            self._break_off()
            for job in cancelled:
                await job.ended.wait()

    async def to_its_end(self, step: Callable[[], Awaitable[T]]) -> T | None:
        """Do a step whose effect cannot be called back, so that its job learns what came of it.

        Cancelling the job before prevents the step, and meanwhile does not end it.  It has to be bounded in time.
        None: the server's own end broke it off.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()
        with anyio.CancelScope(shield=True) as scope:
            self._steadfast.add(scope)
            try:
                return await step()
            finally:
                self._steadfast.discard(scope)
        return None

    def make_steadfast(self, scope: anyio.CancelScope, seconds: float) -> None:
        """From now on, for so many seconds at most, the server's end alone ends what is in `scope`, and no cancel."""
        scope.deadline = min(scope.deadline, anyio.current_time() + seconds)
        scope.shield = True
        self._steadfast.add(scope)

    def let_go(self, scope: anyio.CancelScope) -> None:
        """What was in `scope` has ended."""
        self._steadfast.discard(scope)

    def _break_off(self) -> None:
        for scope in self._steadfast:
            scope.cancel()

    async def _run(self, job: Job, work: Work) -> None:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(job.progress.open)
                with job.scope:
                    await work(job)
                group.cancel_scope.cancel()
            if job.state == "running":
                job.finish("cancelled", "cancelled")
        except Exception as error:  # whatever it is, it ends this job and no other
            self._failed(job, error)
        finally:
            if job.state == "running":
                job.finish("cancelled", "cancelled")
            del self._running[job.id]
            self._ended.append(job)
            job.ended.set()
            job.progress.end(job.message)
            self.on_change()

    def _failed(self, job: Job, error: Exception) -> None:
        cause = cause_of(error)
        if isinstance(cause, GreenfinchError):
            job.finish("failed", str(cause))
        else:
            logger.error("job %s (%s) failed", job.id, job.label, exc_info=error)
            job.finish("failed", f"Greenfinch itself failed: {type(cause).__name__}: {cause}.  The log has more.")
        self._client.tell(f"{job.label}: {job.message}", MessageType.Error)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:  # nobody waits for it, and an error must not end the server
            logger.exception("a background task failed")


def cause_of(error: BaseException) -> BaseException:
    """What a task group's error is about: the first error meant for the user in it, else the first of all."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [cause_of(each) for each in error.exceptions]
    return next((cause for cause in causes if isinstance(cause, GreenfinchError)), causes[0])
