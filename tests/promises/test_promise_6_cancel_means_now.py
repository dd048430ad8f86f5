"""Promise 6: cancel ends generation within one decode step, and the tests' process tree within a second."""

import time

import anyio
import psutil
import pytest
from promises.workspace import GOOD, TESTS

from engine.events import CandidateGrew, JudgeFound, StageStarted
from engine.generation.scripted import Reply, ScriptedGenerator

pytestmark = pytest.mark.anyio

SPAWNING = """import subprocess
import sys
import time

from words import slugify

MARK = "greenfinch-promise-6"


def test_words():
    slugify("x")
    code = "import os, time; os.setsid(); time.sleep(60)"
    subprocess.Popen([sys.executable, "-c", code, MARK])
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {code!r}, '{MARK}'])"
    subprocess.Popen([sys.executable, "-c", parent])
    time.sleep(60)
"""


def marked() -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if "greenfinch-promise-6" in (p.info["cmdline"] or [])]


async def until(condition, seconds: float) -> bool:
    with anyio.move_on_after(seconds):
        while not condition():  # noqa: ASYNC110 - other processes set no event
            await anyio.sleep(0.02)
        return True
    return bool(condition())


async def test_the_tests_process_tree_is_gone_within_a_second(workspace):
    async with workspace.engine(GOOD).implement(workspace.request()) as events:
        async for event in events:
            if isinstance(event, JudgeFound):
                workspace.buffers.clear()
                break
    workspace.write("test_words.py", SPAWNING)  # its baseline fails at once: the stub raises before anything is spawned
    async with workspace.engine(GOOD).implement(workspace.request()) as events:
        async for _ in events:
            if marked():
                break
            if await until(marked, 0.5):
                break
        assert await until(lambda: len(marked()) >= 2, 10)
    assert await until(lambda: not marked(), 1.0)


class Counting(ScriptedGenerator):
    """Counts the tokens that were really asked for, and whether the sample was closed."""

    def __init__(self) -> None:
        super().__init__((Reply(text="    x = 1\n", repeat=True, delay_per_token=0.01),))
        self.tokens = 0
        self.closed = 0

    async def sample(self, request):
        try:
            async for piece in super().sample(request):
                self.tokens += piece.tokens
                yield piece
        finally:
            self.closed += 1


async def test_generation_stops_within_one_step(workspace):
    generator = Counting()
    engine = workspace.engine(GOOD, max_tokens=100_000)
    engine._generator = generator
    async with engine.implement(workspace.request()) as events:
        async for event in events:
            if isinstance(event, CandidateGrew) and event.tokens > 5:
                break
        begun = time.monotonic()
    assert time.monotonic() - begun < 1
    at_cancel = generator.tokens
    await anyio.sleep(0.2)
    assert generator.tokens == at_cancel
    assert generator.closed == 1


async def test_a_run_cancelled_in_its_baseline_leaves_nothing_behind(workspace):
    workspace.write("test_words.py", TESTS + "\nimport time\ntime.sleep(60)\n")
    started = time.monotonic()
    async with workspace.engine(GOOD).implement(workspace.request()) as events:
        async for event in events:
            if isinstance(event, StageStarted):
                await anyio.sleep(0.5)
                break
    assert time.monotonic() - started < 5
    assert await until(lambda: not psutil.Process().children(recursive=True), 1.0)
