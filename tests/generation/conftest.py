"""A real HTTP server on the loopback interface that answers as a test tells it to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from chat_server import ChatServer


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
