"""A part fails and the run goes on: whoever reads its progress, proof, report or record is told, once."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from io import StringIO
from pathlib import Path

import pytest
from attrs import evolve
from promises.workspace import BAD, GOOD, Workspace
from rich.console import Console

from engine.cli.display import RunDisplay
from engine.config import Settings
from engine.errors import ModelError
from engine.events import Event, Outcome, WentOn
from engine.generation.base import GeneratorInfo, Piece, SampleRequest
from engine.generation.scripted import Reply, ScriptedGenerator
from engine.record import load_run
from engine.reporting import read_story, render
from engine.session import Engine
from lsp_server.progress import Narrator
from lsp_server.reports import Story

pytestmark = pytest.mark.anyio

AT_LOAD = "none of 25 layers on the GPU, where no more could be loaded"
MEANWHILE = "the model host was lost and started afresh"


class Lossy(ScriptedGenerator):
    """A script whose machine does not do what it should: when it is made ready, and in every sample."""

    async def prepare(self) -> GeneratorInfo:
        return evolve(await super().prepare(), fallback=AT_LOAD)

    async def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        yield Piece(note=MEANWHILE)
        async for piece in super().sample(request):
            yield piece


async def events_of(workspace: Workspace, generator: ScriptedGenerator, **settings: object) -> list[Event]:
    options = {"python": sys.executable, **settings}
    engine = Engine(Settings().updated(options, source="test"), generator=generator)
    async with engine.implement(workspace.request()) as stream:
        return [event async for event in stream]


@pytest.mark.slow
async def test_what_went_on_in_place_of_what_is_told_once_and_everywhere(workspace: Workspace) -> None:
    script = Lossy((Reply(text=BAD), Reply(text=GOOD)))
    *_, outcome = events = await events_of(workspace, script, candidates=2)
    assert isinstance(outcome, Outcome) and outcome.passed
    assert [event.how for event in events if isinstance(event, WentOn)] == [AT_LOAD, MEANWHILE]
    assert outcome.went_on == (AT_LOAD, MEANWHILE)
    assert outcome.proof.endswith(f"; {AT_LOAD}; {MEANWHILE})")

    assert [Narrator(8).line(event) for event in events if isinstance(event, WentOn)] == [AT_LOAD, MEANWHILE]
    console = Console(file=StringIO(), width=200)
    with console.capture() as shown:
        for event in events:
            RunDisplay(console).show(event)
    assert shown.get().count(AT_LOAD) == shown.get().count(MEANWHILE) == 1

    story = Story("slugify")
    assert f"- went on: {AT_LOAD}\n- went on: {MEANWHILE}" in story.account(outcome)
    assert f"- went on: {AT_LOAD}" in story.markdown(evolve(outcome, passed=False))
    page = read_story(load_run(Path(outcome.record).stem))
    assert page.went_on == [AT_LOAD, MEANWHILE]
    assert AT_LOAD in render(page)


class Failing(ScriptedGenerator):
    """Its first sample is good; then its model is gone."""

    asked = 0

    async def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        self.asked += 1
        if self.asked > 1:
            raise ModelError("the model is gone")
        async for piece in super().sample(request):
            yield piece


@pytest.mark.slow
async def test_a_candidate_in_its_tests_is_not_lost_with_the_model(workspace: Workspace) -> None:
    *_, outcome = await events_of(workspace, Failing((Reply(text=GOOD),)))
    assert isinstance(outcome, Outcome) and outcome.passed and outcome.winner == 1
