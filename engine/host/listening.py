"""Where a host listens: a Unix socket that only its user can open, or loopback with a token where there are none.

Anybody on the machine can reach a port.  So with loopback every request has to carry a token that lies in a file which
only the user can read, beside the port, and beside the process it belongs to: a client sends nothing to a port whose
host is gone, since another user's program may have it by then.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import socket
from pathlib import Path

import psutil
from attrs import frozen
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.host.protocol import ProtocolError


@frozen
class Listening:
    """An open listener, and the file by which clients find it.

    Attributes:
        token: what requests have to carry; empty: the file system decides who may connect.
    """

    listener: socket.socket
    path: Path
    token: str = ""

    def close(self) -> None:
        self.path.unlink(missing_ok=True)
        self.listener.close()


def listen_unix(path: Path) -> Listening:
    """Bind the socket `path`, in place of one that a dead host left behind."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen(128)
    return Listening(listener, path)


def listen_loopback(path: Path) -> Listening:
    """Bind a free port of 127.0.0.1, and write to `path` what a client needs to know."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    token = secrets.token_urlsafe(32)
    told = {
        "port": listener.getsockname()[1],
        "token": token,
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
    }
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    # On Windows the mode says nothing; there the folder, in the user's own profile, is closed to others.
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(told, file)
    fresh.replace(path)  # whole or not at all
    return Listening(listener, path, token)


class Guard:
    """Lets requests with the token through to `app`, and refuses all others."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._wanted = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope["headers"]).get(b"authorization", b"")
        if hmac.compare_digest(given, self._wanted):
            await self._app(scope, receive, send)
            return
        error = ProtocolError("The token is missing or wrong.", code="unauthorized", status=401)
        await JSONResponse(error.as_json(), status_code=error.status)(scope, receive, send)
