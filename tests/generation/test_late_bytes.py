"""A sample that is dropped in the very moment in which the host sends something: nothing is said about it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx
import pytest

from engine.generation.endpoints import unix_client

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets"),
]


@pytest.fixture(autouse=True)
async def client(anyio_backend_name: str) -> AsyncIterator[None]:
    """Whoever has a client of a host is spared the complaint."""
    async with unix_client(Path("host.sock"), timeout=httpx.Timeout(5)):
        yield


async def test_a_reader_cancelled_as_bytes_arrive_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "_exception_handler", None)  # anyio's runner of tests has one of its own
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("host.sock")
        listening.listen()
        async with await anyio.connect_unix("host.sock") as stream:
            host, _ = listening.accept()
            with host:
                with anyio.CancelScope() as scope:

                    def drop() -> None:
                        host.send(b"data")
                        loop.call_soon(scope.cancel)  # runs in the turn in which the loop sees the bytes

                    loop.call_later(0.05, drop)
                    with anyio.fail_after(10):
                        await stream.receive()
                await anyio.sleep(0.05)
                assert await stream.receive() == b"data"  # nothing is lost
    assert not caplog.records


async def test_of_all_complaints_of_asyncio_that_one_is_not_heard(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("asyncio")
    late = "Exception in callback Future.set_result(None)"
    log.error(late, exc_info=asyncio.InvalidStateError("invalid state"))
    log.error(late, exc_info=ValueError("something"))
    log.error("Exception in callback other", exc_info=asyncio.InvalidStateError("invalid state"))
    assert [record.getMessage() for record in caplog.records] == [late, "Exception in callback other"]
