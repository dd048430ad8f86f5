"""The server is there at once, stays small, and goes when its client does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import psutil
import pytest
from lsp.editor import SERVE, editor

pytestmark = pytest.mark.anyio

IMPORTS = (sys.executable, "-c", "import gc; gc.disable(); import pygls.lsp.server; print(flush=True); input()")
MOST_TIMES_THE_IMPORTS = 2.0
MOST_RESIDENT = 120e6  # bytes


def _message(method: str, number: int | None = None, **params: object) -> bytes:
    body = {"jsonrpc": "2.0", "method": method, "params": params}
    text = json.dumps(body if number is None else {**body, "id": number}).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(text), text)


def _start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(SERVE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder)


INITIALIZE = _message("initialize", 1, processId=None, rootUri=None, capabilities={})


def _receive(stream: IO[bytes]) -> dict[str, Any]:
    length = 0
    while header := stream.readline().strip():
        if header.lower().startswith(b"content-length"):
            length = int(header.split(b":")[1])
    return json.loads(stream.read(length))


def _initialize(server: subprocess.Popen[bytes]) -> None:
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(INITIALIZE)
    server.stdin.flush()
    assert "capabilities" in _receive(server.stdout)["result"]


@pytest.mark.slow
def test_starting_is_little_more_than_importing_the_protocol(tmp_path: Path) -> None:
    """In CPU time, the best of a few of each, taking turns: what else the machine does is not the server's doing."""
    starts, imports = [], []
    for _ in range(4):
        with _start(tmp_path) as server:
            _initialize(server)
            starts.append(_cpu_seconds(server.pid))
            server.kill()
        with subprocess.Popen(IMPORTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bare:
            assert bare.stdout is not None
            bare.stdout.readline()
            imports.append(_cpu_seconds(bare.pid))
            bare.kill()
    assert min(starts) < MOST_TIMES_THE_IMPORTS * min(imports)


def _cpu_seconds(pid: int) -> float:
    used = psutil.Process(pid).cpu_times()
    return used.user + used.system


@pytest.mark.slow
async def test_server_stays_small_after_a_job_and_never_loads_model_code(project: Path, script) -> None:
    async with editor(project, environment=script('    return "-".join(title.lower().split())\n')) as window:
        uri = window.open("words.py")
        job = await window.choose(await window.action(uri, "def slugify", "Generate"))
        assert (await window.ended(job["job"]))["state"] == "passed"
        server = psutil.Process(window.pid)
        assert server.memory_info().rss < MOST_RESIDENT
        mapped = {Path(region.path).name for region in server.memory_maps()}
        assert not [name for name in mapped if "llama" in name or "ggml" in name or "multiarray" in name]


async def test_server_ends_with_status_zero_after_shutdown_and_exit(project: Path) -> None:
    async with editor(project) as window:
        assert await window.exit() == 0


async def test_exit_without_shutdown_is_an_error_status(project: Path) -> None:
    async with editor(project) as window:
        window.client.exit(None)
        assert await window.client._server.wait() == 1


@pytest.mark.slow
def test_server_ends_when_its_client_is_gone(tmp_path: Path) -> None:
    with _start(tmp_path) as server:
        _initialize(server)
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait(5) == 1
        assert server.stderr is not None and b"Traceback" not in server.stderr.read()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.slow
def test_server_ends_on_a_signal_though_its_client_is_silent(tmp_path: Path) -> None:
    with _start(tmp_path) as server:
        _initialize(server)
        server.send_signal(signal.SIGTERM)
        assert server.wait(5) == 1


def test_a_request_that_cannot_be_read_is_answered_with_an_error(project: Path) -> None:
    with _start(project) as server:
        _initialize(server)
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(_message("textDocument/codeAction", 7, textDocument=5))
        server.stdin.flush()
        answer = _receive(server.stdout)
        assert answer["id"] == 7 and "error" in answer
        server.kill()


@pytest.mark.slow
def test_one_client_is_served_over_tcp(tmp_path: Path) -> None:
    command = [*SERVE, "--tcp", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path) as server:
        assert server.stderr is not None
        address = server.stderr.readline().decode().rpartition(" ")[2].strip()
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port))) as connection, connection.makefile("rb") as stream:
            connection.sendall(INITIALIZE)
            assert "capabilities" in _receive(stream)["result"]
            connection.sendall(_message("shutdown", 2) + _message("exit"))
            assert _receive(stream)["id"] == 2
        assert server.wait(5) == 0
        assert b"Traceback" not in server.stderr.read()
