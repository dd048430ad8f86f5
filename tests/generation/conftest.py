"""A real HTTP server on the loopback interface that answers as a test tells it to; and real model hosts."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from chat_server import ChatServer
from local_hosts import hosts

from engine.config import Settings
from engine.generation import launch, local
from engine.generation.local import LocalGenerator


@pytest.fixture
def server() -> Iterator[ChatServer]:
    listener = socket.create_server(("127.0.0.1", 0))
    chat = ChatServer(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    runner = uvicorn.Server(uvicorn.Config(chat.app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=runner.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not runner.started:
        time.sleep(0.01)
    yield chat
    runner.should_exit = True
    thread.join(10)


@pytest.fixture
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where hosts of this test meet; those that are still there are ended with it."""
    folder = Path(tempfile.mkdtemp(prefix="gf-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    for process in hosts(folder):
        process.kill()
        process.wait(10)
    shutil.rmtree(folder)


@pytest.fixture
def inject(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[subprocess.Popen[bytes]]]:
    """Hosts run statements before they begin: a fault that they shall have.  `inject(statements)` for those that are
    started from then on; with `model=NAME`, for hosts of that model alone.  What was started is listed.
    """
    real = local.start_host
    started: list[subprocess.Popen[bytes]] = []

    def put(before: str, *, model: str = "") -> list[subprocess.Popen[bytes]]:
        def start(file: Path, name: str, path: Path, settings: Settings) -> subprocess.Popen[bytes]:
            if model not in ("", name):
                return real(file, name, path, settings)
            program = f"{before}\nfrom engine.host.__main__ import main\nraise SystemExit(main())"
            command = [sys.executable, "-P", "-c", program, "--model", str(file), "--name", name]
            command += ["--socket", str(path), "--context", str(settings.context_tokens)]
            with launch.log_path(path).open("wb") as log:
                started.append(subprocess.Popen(command, stderr=log, cwd="/"))
            return started[-1]

        monkeypatch.setattr(local, "start_host", start)
        return started

    return put


@pytest.fixture
async def make(small_model: Path, runtime_folder: Path) -> AsyncIterator[Callable[..., LocalGenerator]]:
    """Makes generators that share a host: `make()`, or `make(model_file)`."""
    made: list[LocalGenerator] = []

    def make(model: Path = small_model) -> LocalGenerator:
        made.append(LocalGenerator(Settings(model=str(model), context_tokens=1024)))
        return made[-1]

    yield make
    for generator in made:
        await generator.aclose()
