"""The model is pulled as a job: refused, failed and cancelled like any other.  (What pulling does: tests/models.)"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from lsp.editor import editor

from engine.models import catalogue

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

AT_ONCE = 3.0  # seconds; the server is given one by a pull that could end by itself
PIECE = 1 << 20


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
            began = time.monotonic()
            assert await window.run("greenfinch.cancel", {"job": answer["job"]}) == {"cancelled": [answer["job"]]}
            assert (await window.ended(answer["job"]))["state"] == "cancelled"
            assert time.monotonic() - began < AT_ONCE
        assert not list((tmp_path / "models").glob("*.gguf"))


class StallingHub:
    """Says of itself what the catalogue says, sends a piece of the model (of zeros) for each GET, and then stalls.

    Attributes:
        go_on: each release lets a download that has stalled get another piece.
        starts: where each download was to begin, in bytes.
    """

    def __init__(self) -> None:
        self.go_on = threading.Semaphore(0)
        self.starts: list[int] = []
        model, hub = catalogue.load().entry(catalogue.load().default), self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_response(200)
                self.send_header("X-Repo-Commit", "0" * 40)
                self.send_header("X-Linked-Size", str(model.size))
                self.send_header("X-Linked-Etag", f'"{model.sha256}"')
                self.end_headers()

            def do_GET(self) -> None:
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                self.send_response(206)
                self.send_header("Content-Length", str(model.size - start))
                self.end_headers()
                self.wfile.write(bytes(PIECE))
                hub.starts.append(start)
                hub.go_on.acquire(timeout=60)
                with suppress(OSError):
                    self.wfile.write(bytes(PIECE))

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> StallingHub:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.release(9)
        self._server.shutdown()
        self._server.server_close()


async def test_a_pull_that_stalls_is_cancelled_at_once_and_gone_on_with_later(project: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    with StallingHub() as hub:
        async with editor(project, environment=sources_at(hub.address, models)) as window:

            async def until_it_stalls(downloads: int) -> None:
                await window.until(lambda: len(hub.starts) == downloads)
                (partial,) = models.rglob("from-hub.partial")
                await window.until(lambda: partial.stat().st_size > hub.starts[-1])

            first = await window.run("greenfinch.pullModel")
            await until_it_stalls(1)
            began = time.monotonic()
            await window.run("greenfinch.cancel", {"job": first["job"]})
            ended = await window.ended(first["job"])
            assert time.monotonic() - began < AT_ONCE
            assert ended["state"] == "cancelled" and "kept" in ended["message"]

            second = await window.run("greenfinch.pullModel")  # waits for the first one's thread, which still may write
            waiting = "waiting for another pull"
            await window.until(lambda: any(waiting in (value.message or "") for value in window.progress))
            hub.go_on.release()
            await until_it_stalls(2)
            assert 0 < hub.starts[1] <= 2 * PIECE
            await window.run("greenfinch.cancel", {"job": second["job"]})
            assert (await window.ended(second["job"]))["state"] == "cancelled"
        (partial,) = models.rglob("from-hub.partial")
        kept = partial.read_bytes()
        assert len(kept) > hub.starts[1] and not any(kept)
