"""What was made ready is not done again by the run that follows: counted, with real tests in the real sandbox."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest
from promises.workspace import GOOD, Workspace

from engine.config import Settings
from engine.events import Outcome
from engine.generation.base import Piece, SampleRequest, Usage
from engine.generation.local import LocalGenerator
from engine.generation.scripted import Reply, ScriptedGenerator
from engine.preparation import prepare
from engine.session import Engine
from engine.verification.running import Running

pytestmark = pytest.mark.anyio

SETTINGS = Settings(python=sys.executable)
FEW = 8  # tokens of a prompt that was read before; one of them, the last, gives the first draw


class Noting(ScriptedGenerator):
    """Notes what it is asked to read and to sample."""

    def __init__(self) -> None:
        super().__init__((Reply(GOOD),))
        self.read: list[SampleRequest] = []
        self.sampled: list[SampleRequest] = []

    async def read_ahead(self, request: SampleRequest) -> Usage | None:
        self.read.append(request)
        return await super().read_ahead(request)

    def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        self.sampled.append(request)
        return super().sample(request)


@pytest.fixture
def baselines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line for each baseline that is run."""
    counted: list[str] = []
    original = Running.tests

    async def tests(self, *arguments, more=None, **named):
        if more is not None and "modules" in more:
            counted.append("a baseline")
        return await original(self, *arguments, more=more, **named)

    monkeypatch.setattr(Running, "tests", tests)
    return counted


async def outcome_of(engine: Engine, workspace: Workspace) -> Outcome:
    async with engine.implement(workspace.request()) as events:
        return [event async for event in events if isinstance(event, Outcome)][-1]


@pytest.mark.slow
async def test_the_run_that_follows_has_its_baseline_and_its_prompt(workspace, baselines) -> None:
    generator = Noting()
    engine = Engine(SETTINGS, generator=generator)
    prepared = await engine.prepare(workspace.request())
    assert prepared is not None
    assert (prepared.model, prepared.tests, len(baselines)) == ("script", 2, 1)
    assert not list(workspace.root.parent.glob("runs/*")), "nothing is recorded"
    assert (await outcome_of(engine, workspace)).passed
    assert len(baselines) == 1
    (read,), first = generator.read, generator.sampled[0]
    assert (read.messages, read.prefill) == (first.messages, first.prefill)


@pytest.mark.slow
async def test_a_run_waits_for_the_baseline_that_is_under_way(workspace, baselines) -> None:
    engine = Engine(SETTINGS, generator=Noting())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engine.prepare, workspace.request())
        while not baselines:  # noqa: ASYNC110 - a list, not an event
            await anyio.sleep(0.001)
        assert (await outcome_of(engine, workspace)).passed
    assert len(baselines) == 1


@pytest.mark.slow
async def test_what_was_cancelled_is_done_by_the_run(workspace, baselines) -> None:
    engine = Engine(SETTINGS, generator=Noting())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engine.prepare, workspace.request())
        while not baselines:  # noqa: ASYNC110 - as above
            await anyio.sleep(0.001)
        tasks.cancel_scope.cancel()
    assert (await outcome_of(engine, workspace)).passed
    assert len(baselines) == 2


@pytest.mark.parametrize(
    "options",
    [{"prepare_on_menu": False}, {"endpoint": "http://127.0.0.1:9/v1"}, {"endpoints": ["unix:/nowhere/host.sock"]}],
)
async def test_nothing_is_begun_where_it_is_not_allowed(workspace, baselines, options) -> None:
    def never() -> ScriptedGenerator:
        raise AssertionError("no model is asked for")

    assert await prepare(SETTINGS.updated(options, source="test"), never, workspace.request()) is None
    assert baselines == []


@pytest.mark.parametrize(
    "options",
    [{"test_write": ["/nowhere"]}, {"test_network": "host"}, {"test_command": "pytest -q --junitxml={junit}"}],
)
async def test_tests_that_could_change_more_than_their_cell_are_not_run_ahead(workspace, baselines, options) -> None:
    generator = Noting()
    prepared = await prepare(SETTINGS.updated(options, source="test"), lambda: generator, workspace.request())
    assert prepared is not None
    assert (prepared.model, prepared.tests, prepared.usage) == ("script", 0, None)
    assert (baselines, generator.read) == ([], [])


@pytest.mark.model
@pytest.mark.slow
async def test_the_real_host_has_only_a_few_tokens_left_to_read(workspace, baselines, small_model: Path) -> None:
    settings = Settings(
        python=sys.executable, model=str(small_model), candidates=1, context_tokens=1536, host_idle_minutes=0.1
    )
    generator = LocalGenerator(settings)
    engine = Engine(settings, generator=generator)

    async def evaluated() -> int:
        assert generator._connection is not None
        health = await generator._health(generator._connection.client)
        assert health is not None
        return int(health["tokens_evaluated"])

    try:
        prepared = await engine.prepare(workspace.request())
        assert prepared is not None and prepared.usage is not None
        assert prepared.usage.completion_tokens == 0
        before = await evaluated()
        assert before >= prepared.usage.prompt_tokens - prepared.usage.cached_tokens > 100
        outcome = await outcome_of(engine, workspace)
        assert outcome.candidates == 1
        assert 1 <= await evaluated() - before <= FEW
        assert len(baselines) == 1
    finally:
        await engine.aclose()
