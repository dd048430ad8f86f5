"""Every way to cancel ends the job, leaves the document alone, and leaves no process behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from lsp.editor import Editor, editor
from lsp.projects import GOOD, STUB
from lsprotocol import types

pytestmark = pytest.mark.anyio

ENDLESS = {"text": "    x = 1\n", "repeat": True, "delay_per_token": 0.02}
HANGS = "    import time\n    time.sleep(60)\n"


async def by_progress(window: Editor, uri: str, job: str) -> None:
    token = await window.until(lambda: next(iter(window.client.progress_reports), None))
    window.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))


async def by_job(window: Editor, uri: str, job: str) -> None:
    assert await window.run("greenfinch.cancel", {"job": job}) == {"cancelled": [job]}


async def by_place(window: Editor, uri: str, job: str) -> None:
    assert await window.run("greenfinch.cancel", {"uri": uri, "qualname": "slugify"}) == {"cancelled": [job]}


async def by_all(window: Editor, uri: str, job: str) -> None:
    assert await window.run("greenfinch.cancel") == {"cancelled": [job]}


async def by_code_action(window: Editor, uri: str, job: str) -> None:
    await window.choose(await window.action(uri, "def slugify", "Cancel: slugify"))


def children(window: Editor) -> list[psutil.Process]:
    return psutil.Process(window.pid).children(recursive=True)


async def until_candidates_are_tested(window: Editor) -> None:
    await window.until(lambda: any("implementing" in (v.message or "") for v in window.progress))
    await window.until(lambda: children(window))


def is_alive(process: psutil.Process) -> bool:
    """False also for a process that only waits to be reaped by whatever is the machine's init."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    "cancel",
    [by_progress, *(pytest.param(way, marks=pytest.mark.slow) for way in (by_job, by_place, by_all, by_code_action))],
)
async def test_generation_is_cancelled(project: Path, script, cancel: Callable[..., object]) -> None:
    async with editor(project, environment=script(ENDLESS)) as window:
        uri = window.open("words.py")
        job = (await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"}))["job"]
        await window.until(lambda: any("tok/s" in (v.message or "") for v in window.progress))
        await cancel(window, uri, job)
        assert (await window.ended(job))["state"] == "cancelled"
        await window.until(lambda: isinstance(window.progress[-1], types.WorkDoneProgressEnd))
        assert window.edits == [] and window.texts[uri] == STUB


@pytest.mark.slow
async def test_a_hanging_test_is_gone_long_before_its_limit(project: Path, script) -> None:
    async with editor(project, environment=script(HANGS)) as window:
        uri = window.open("words.py")
        job = (await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"}))["job"]
        await until_candidates_are_tested(window)
        began = time.monotonic()
        await by_job(window, uri, job)
        await window.until(lambda: not children(window))
        assert time.monotonic() - began < 5  # of 10 that it may take
        assert (await window.ended(job))["state"] == "cancelled"


@pytest.mark.slow
async def test_cancelling_what_does_not_run_is_harmless(project: Path, script) -> None:
    async with editor(project, environment=script(GOOD)) as window:
        uri = window.open("words.py")
        assert await window.run("greenfinch.cancel") == {"cancelled": []}
        assert await window.run("greenfinch.cancel", {"job": "99"}) == {"cancelled": []}
        assert await window.run("greenfinch.cancel", {"uri": uri, "qualname": "slugify"}) == {"cancelled": []}
        window.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams("unknown"))
        assert (await window.run("greenfinch.status"))["jobs"] == []


@pytest.mark.slow
async def test_a_target_can_be_implemented_after_a_cancelled_try(project: Path, script) -> None:
    async with editor(project, environment=script(ENDLESS, GOOD), options={"strategy": "greedy"}) as window:
        uri = window.open("words.py")
        place = {"uri": uri, "qualname": "slugify"}
        first = (await window.run("greenfinch.implement", place))["job"]
        await window.until(lambda: any("tok/s" in (v.message or "") for v in window.progress))
        await by_job(window, uri, first)
        await window.ended(first)
        script(GOOD)
        second = (await window.run("greenfinch.implement", place))["job"]
        assert (await window.ended(second))["state"] == "passed"


@pytest.mark.slow
async def test_shutdown_with_a_job_in_flight_is_clean(project: Path, script, capfd: pytest.CaptureFixture[str]) -> None:
    async with editor(project, environment=script(HANGS)) as window:
        uri = window.open("words.py")
        await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"})
        await until_candidates_are_tested(window)
        left = children(window)
        began = time.monotonic()
        assert await window.exit() == 0
        assert time.monotonic() - began < 3
        assert left and not [process for process in left if is_alive(process)]
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.slow
async def test_a_vanished_client_takes_the_jobs_processes_with_it(project: Path, script) -> None:
    async with editor(project, environment=script(HANGS)) as window:
        uri = window.open("words.py")
        await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"})
        await until_candidates_are_tested(window)
        left = children(window)
        window.client._server.stdin.close()
        await window.client._server.wait()
        assert left and not [process for process in left if is_alive(process)]


@pytest.mark.slow
async def test_a_cancel_that_comes_too_late_does_not_deny_the_edit(project: Path, script) -> None:
    async with editor(project, environment=script(GOOD)) as window:
        uri = window.open("words.py")

        def cancel() -> None:  # reaches the server before the answer to its edit does
            token = next(iter(window.client.progress_reports))
            window.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))

        window.before_edit = cancel
        job = (await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"}))["job"]
        assert (await window.ended(job))["state"] == "passed"
        assert window.texts[uri] == STUB.replace("    ...\n", GOOD)


@pytest.mark.slow
async def test_shutdown_does_not_wait_for_the_answer_to_an_edit(project: Path, script) -> None:
    async with editor(project, environment=script(GOOD)) as window:
        uri = window.open("words.py")
        window.answers = [None]
        await window.run("greenfinch.implement", {"uri": uri, "qualname": "slugify"})
        await window.until(lambda: window.edits)
        began = time.monotonic()
        await window.client.shutdown_async(None)
        assert time.monotonic() - began < 2
        window.closing.set()  # the test's client cannot lose its server while it still owes an answer
        window.client.exit(None)
        assert await window.client._server.wait() == 0
