"""The way to a host that listens on a port of this machine, because the system has no Unix sockets.

The host wrote down its port, a token, and which process it is, in a file that only its user can read.  All of it is
read again for each request: the next host has another port.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

LOOPBACK_SUFFIX = ".port"


class LoopbackTransport(httpx.AsyncBaseTransport):
    """Sends requests to the host that wrote `path`, as long as it lives; else nobody is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        told = whereabouts(self._path)
        if told is None:
            raise httpx.ConnectError(f"no host that has written {self._path.name} is there")
        request.url = request.url.copy_with(host="127.0.0.1", port=int(told["port"]))
        request.headers["Host"] = f"127.0.0.1:{told['port']}"
        request.headers["Authorization"] = f"Bearer {told['token']}"
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def whereabouts(path: Path) -> dict[str, Any] | None:
    """What the host that wrote `path` says of itself; None if there is none.

    A port whose host is gone does not count: anybody's program may listen there by now, and would get the user's code.
    """
    try:
        told: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return told if _lives(int(told["pid"]), float(told["started"])) else None


def _lives(pid: int, started: float) -> bool:
    import psutil  # slow to load, and not needed where there are Unix sockets

    try:
        process = psutil.Process(pid)
        return process.create_time() == started and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
