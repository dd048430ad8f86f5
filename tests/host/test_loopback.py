"""A host on a port of this machine, as where there are no Unix sockets: the token, the file that holds it, its end."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from host_process import HostProcess

from engine.generation.endpoints import host_client
from engine.generation.loopback import whereabouts

StartHost = Callable[..., HostProcess]


@pytest.mark.model
@pytest.mark.slow
def test_nobody_is_served_without_the_token_and_the_file_with_it_is_the_users_alone(
    small_model: Path, start_host: StartHost
) -> None:
    host = start_host(small_model, "--loopback", "--context", "1024")
    end = time.monotonic() + 60
    while (told := whereabouts(host.socket)) is None:
        assert time.monotonic() < end and host.process.poll() is None
        time.sleep(0.05)
    assert host.socket.stat().st_mode & 0o777 == 0o600
    assert (told["pid"], len(told["token"]) >= 40) == (host.process.pid, True)
    base = f"http://127.0.0.1:{told['port']}"
    with httpx.Client(base_url=base, trust_env=False) as client:
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": told["token"]}):
            for reply in (client.get("/health", headers=headers), client.post("/v1/chat/completions", headers=headers)):
                assert reply.status_code == 401
                assert reply.json()["error"]["code"] == "unauthorized"
        right = {"Authorization": f"Bearer {told['token']}"}
        assert client.get("/health", headers=right).json()["pid"] == host.process.pid
    listening = [c.laddr.ip for c in psutil.Process(host.process.pid).net_connections() if c.status == "LISTEN"]
    assert listening == ["127.0.0.1"]
    host.process.terminate()
    host.process.wait(10)
    assert not host.socket.exists()


@pytest.mark.anyio
async def test_a_port_whose_host_is_gone_is_not_spoken_to(tmp_path: Path) -> None:
    """Somebody else listens there by now."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        me = psutil.Process()
        file = tmp_path / "host.port"
        told = {"port": stranger.getsockname()[1], "token": "t", "pid": me.pid, "started": me.create_time() - 100}
        file.write_text(json.dumps(told))
        async with host_client(file, timeout=httpx.Timeout(2)) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get("http://localhost/health")
        stranger.settimeout(0.05)
        with pytest.raises(TimeoutError):
            stranger.accept()


@pytest.mark.parametrize("text", ["", "{", None])
def test_a_file_that_is_not_whole_or_not_there_is_nobody(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "host.port"
    if text is not None:
        file.write_text(text)
    assert whereabouts(file) is None
