"""What jobs do: drive the engine, show how it goes, and bring its outcome into the editor."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import anyio
from attrs import define, field, frozen
from lsprotocol.types import MessageType
from pygls.exceptions import JsonRpcException
from pygls.uris import from_fs_path

from engine.config import SANDBOX_LEVELS
from engine.errors import GenerationError, StaleTargetError
from engine.events import Event, JudgeFound, ModelReady, OpenQuestion, Outcome
from engine.languages.base import Solution
from lsp_server import edits, reports
from lsp_server.client import Applied
from lsp_server.engines import engine_for
from lsp_server.jobs import Job, JobRefusedError, cause_of
from lsp_server.places import Place
from lsp_server.progress import Narrator

if TYPE_CHECKING:
    from engine.session import Engine, ImplementRequest
    from lsp_server.server import GreenfinchServer
    from lsp_server.settings import FolderSettings

Stream = AbstractAsyncContextManager[Any]
UNTRUSTED = "This workspace is not trusted, and tests would run its code."
_CONFIRM = "waiting for you to confirm the edit"
_AGAIN = "A code action there verifies it on the text as it is now, and applies it."


@frozen
class Offer:
    """A winner that is not in its document, and can be verified and applied again."""

    solution: Solution
    proof: str


@define(eq=False)
class _Preview:
    """An edit that the client shows to its user.

    Attributes:
        scope: around the wait for the answer.
    """

    job: Job
    uri: str
    outcome: Outcome
    scope: anyio.CancelScope = field(factory=anyio.CancelScope)


class Worker:
    """Starts the jobs that implement targets, and keeps what could not be applied.

    Attributes:
        offers: by the key of their place.
        questions: what the tests of a winner leave open, by the key of its place.
    """

    def __init__(self, server: GreenfinchServer) -> None:
        self._server = server
        self._client = server.client
        self.offers: dict[Hashable, Offer] = {}
        self.questions: dict[Hashable, OpenQuestion] = {}
        self._previews: dict[str, _Preview] = {}

    def implement(self, place: Place) -> Job:
        """Start implementing a target.

        Raises:
            JobRefusedError: a job is at work there.
        """
        return self._start(place, lambda engine, request: engine.implement(request), samples=True)

    def reapply(self, place: Place) -> Job:
        """Start to confirm the offered winner on the text as it is now, and to apply it.

        Raises:
            JobRefusedError: nothing is offered, or a job is at work there.
        """
        offer = self.offers.get(place.key)
        if offer is None:
            raise JobRefusedError(f"No verified implementation of {place.label} waits to be applied.")
        return self._start(place, lambda engine, request: engine.reapply(request, offer.solution))

    def answers_at(self, place: Place) -> tuple[str, ...]:
        """A line for each answer to the question that is open there; empty where no test can be written for it."""
        question = self.questions.get(place.key)
        if question is None:
            return ()
        from engine.answer import titles

        return titles(question)

    def answer(self, place: Place, index: int) -> None:
        """Write an answer to the open question into the tests, as one edit of their file or its buffer.

        Raises:
            GreenfinchError: no question is open there, or no test can be written for this answer.
        """
        from engine.answer import answer_edit

        question = self.questions.get(place.key)
        if question is None:
            raise JobRefusedError(f"The tests of {place.label} leave no question open that is known here.")
        documents, uri = self._server.documents, from_fs_path(question.test_file) or ""
        try:
            text = documents.get_text_document(uri).source
        except OSError as error:
            del self.questions[place.key]
            raise JobRefusedError(
                f"{question.test_file} cannot be read: {error.strerror or error}.",
                remedy=f"If its tests are elsewhere now, implement {place.label} again.",
            ) from error
        edit = answer_edit(question, index, text)
        del self.questions[place.key]

        async def apply() -> None:
            applied = await edits.apply_answer(self._client, documents, uri, text, edit, f"A test for {question.call}")
            if not applied.ok:
                self.questions[place.key] = question
                self._client.tell(f"The test was not written: {applied.reason}.", MessageType.Warning)

        self._server.jobs.background(apply)

    def objection(self, job_id: str) -> str:
        """Why the edit that a client shows for a job must not be applied; empty if it may be.

        It then is about to be: cancelling the job is too late for that, and does not deny it.
        """
        preview = self._previews.get(job_id)
        if preview is None or preview.job.scope.cancel_called:
            return "no edit of this run waits to be applied any more"
        reason = edits.objection(self._server.documents.get_text_document(preview.uri), preview.outcome)
        if not reason:
            self._server.jobs.make_steadfast(preview.scope, self._client.patience)
        return reason

    def _start(
        self, place: Place, stream: Callable[[Engine, ImplementRequest], Stream], *, samples: bool = False
    ) -> Job:
        if not self._server.settings.trusted:
            raise JobRefusedError(UNTRUSTED, remedy="Trust it in your editor first.")

        async def work(job: Job) -> None:
            with self._server.preparing.taken_over(place.key):
                folder = await self._server.settings.in_folder(place.root_uri)
                if not samples or await self._server.models.ensure(job, folder.settings):
                    await self._work(job, place, folder, stream)

        return self._server.jobs.start(place.label, place.key, f"Greenfinch: {place.label}", work, is_run=True)

    async def _work(
        self, job: Job, place: Place, folder: FolderSettings, stream: Callable[[Engine, ImplementRequest], Stream]
    ) -> None:
        story = reports.Story(place.label)
        try:
            outcome = await self._drive(job, place, folder, story, stream)
        except StaleTargetError as error:
            job.finish("not applied", str(error))
            self._client.tell(f"{place.label}: {error}", MessageType.Warning)
            return
        if outcome.passed:
            job.account = story.account(outcome)
            self.questions.pop(place.key, None)
            if outcome.open_question is not None:
                self.questions[place.key] = outcome.open_question
            await self._apply(job, place, folder, outcome)
        else:
            self._report(job, place, outcome, story)

    async def _drive(
        self,
        job: Job,
        place: Place,
        folder: FolderSettings,
        story: reports.Story,
        stream: Callable[[Engine, ImplementRequest], Stream],
    ) -> Outcome:
        narrator = Narrator(folder.settings.candidates)
        outcome: Outcome | None = None
        try:
            async with (
                engine_for(self._server, place, folder) as (engine, request),
                stream(engine, request) as events,
            ):
                async for event in events:
                    story.add(event)
                    self._notice(event)
                    if (line := narrator.line(event)) is not None:
                        job.say(line)
                    if isinstance(event, Outcome):
                        outcome = event
        except ExceptionGroup as group:  # a stream's task group wraps what comes out of it
            raise cause_of(group) from group
        if outcome is None:
            raise GenerationError("The run ended without an outcome.")
        return outcome

    def _notice(self, event: Event) -> None:
        match event:
            case ModelReady(info=info):
                self._server.status.host = info.where
                self._server.status.changed()
            case JudgeFound(sandbox=level, sandbox_detail=detail) if level != SANDBOX_LEVELS[0]:
                if reports.first_time(f"sandbox-{level}"):
                    told = f"Tests run in a weaker sandbox on this machine ({level}): {detail}."
                    self._client.tell(f"{told}  `greenfinch doctor` says how to get a better one.", MessageType.Warning)

    async def _apply(self, job: Job, place: Place, folder: FolderSettings, outcome: Outcome) -> None:
        job.say("applying the edit")
        if not folder.settings.confirm_edit:
            applied = await self._edited(place, outcome)
        elif self._server.settings.previews_edits and self._client.takes_annotations:
            applied = await self._previewed(job, place, outcome)
        else:
            applied = await self._confirmed(job, place, outcome)
        if applied is None:
            return  # nobody is left to be told
        if applied.ok:
            self.offers.pop(place.key, None)
            job.finish("passed", reports.told(outcome.proof, outcome))
            self._client.tell(job.message)
            return
        if outcome.solution is not None:
            self.offers[place.key] = Offer(outcome.solution, outcome.proof)
        job.report = f"# Greenfinch: `{place.label}`\n\n{outcome.proof}\n\n```diff\n{outcome.edit or ''}\n```\n"
        job.finish("not applied", f"Verified, but not applied: {applied.reason}.{reports.notes(outcome)}")
        self._client.tell(f"{place.label}: {job.message}  {_AGAIN}", MessageType.Warning)

    async def _edited(self, place: Place, outcome: Outcome) -> Applied | None:
        return await self._server.jobs.to_its_end(
            lambda: edits.apply(self._client, self._server.documents, place.uri, outcome)
        )

    async def _confirmed(self, job: Job, place: Place, outcome: Outcome) -> Applied | None:
        """Apply what the user agrees to, however long that takes, if it still is what passed then."""
        job.say(_CONFIRM)
        await reports.show(self._client, job.label, job.account, take_focus=False)
        try:
            if await self._client.ask(f"{outcome.proof}: apply it?", "Apply", "Discard") != "Apply":
                return Applied(False, "you did not confirm it")
        except JsonRpcException:
            return Applied(False, "this editor cannot ask you; unset confirm_edit")
        return await self._edited(place, outcome)

    async def _previewed(self, job: Job, place: Place, outcome: Outcome) -> Applied | None:
        """The same with the editor's own preview, which asks `objection` before it applies the edit."""
        job.say(_CONFIRM)
        preview = self._previews[job.id] = _Preview(job, place.uri, outcome)
        try:
            with preview.scope:
                return await edits.apply(
                    self._client, self._server.documents, place.uri, outcome, preview=f"{edits.ANNOTATION}-job-{job.id}"
                )
        finally:
            del self._previews[job.id]
            self._server.jobs.let_go(preview.scope)
        if anyio.current_time() < preview.scope.deadline:
            return None  # the server's own end broke it off
        return Applied(False, f"the editor did not answer within {self._client.patience:.0f} s")

    def _report(self, job: Job, place: Place, outcome: Outcome, story: reports.Story) -> None:
        if outcome.solution is not None:  # it passed, and then its target changed under it
            self.offers[place.key] = Offer(outcome.solution, outcome.proof or "it passed before the text changed")
            job.finish("not applied", f"Not applied: {outcome.reason}.{reports.notes(outcome)}")
            self._client.tell(f"{place.label}: {job.message}  {_AGAIN}", MessageType.Warning)
            return
        self.offers.pop(place.key, None)  # what was offered, if this was it, does not pass any more
        job.report = job.account = story.markdown(outcome)
        job.finish("not passed", story.summary(outcome))
        self._client.tell(job.message, MessageType.Warning)
        self._server.jobs.background(lambda: reports.show(self._client, job.label, job.report, take_focus=False))
