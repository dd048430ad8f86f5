"""The model is pulled as a job: refused, failed and cancelled like any other.  (What pulling does: tests/models.)"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from lsp.editor import editor

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def sources_at(address: str, models: Path) -> dict[str, str]:
    """An environment in which every source of a model lies at `address`."""
    index = {"PIP_INDEX_URL": f"{address}/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": "/dev/null"}
    return {"GREENFINCH_MODELS": str(models), "HF_ENDPOINT": address, "NO_PROXY": "127.0.0.1", **index}


async def test_a_model_that_does_not_exist_is_refused(project: Path) -> None:
    async with editor(project) as window:
        answer = await window.run("greenfinch.pullModel", {"model": "gpt-17"})
        assert answer["job"] is None and "gpt-17" in answer["reason"]


async def test_sources_that_do_not_answer_fail_the_job_with_a_remedy(project: Path, tmp_path: Path) -> None:
    environment = sources_at("http://127.0.0.1:9", tmp_path / "models")
    async with editor(project, environment=environment) as window:
        uri = window.open("words.py")
        answer = await window.choose(await window.action(uri, "...", "Pull the model"))
        job = await window.ended(answer["job"])
        assert job["state"] == "failed" and "could not be downloaded" in job["message"]
        assert any(job["message"] in message for message in window.messages)


async def test_a_pull_is_cancelled(project: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        environment = sources_at(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path / "models")
        async with editor(project, environment=environment) as window:
            answer = await window.run("greenfinch.pullModel")
            again = await window.run("greenfinch.pullModel")
            assert again["job"] is None and "already" in again["reason"]
            await window.until(lambda: any("MB" in (value.message or "") for value in window.progress))
            assert await window.run("greenfinch.cancel", {"job": answer["job"]}) == {"cancelled": [answer["job"]]}
            assert (await window.ended(answer["job"]))["state"] == "cancelled"
        assert not list((tmp_path / "models").glob("*.gguf"))
