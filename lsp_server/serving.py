"""Connects a server to its client, over stdio or TCP, and ends with it.

The jobs' task group is opened here, around the loop that reads messages: whatever ends that loop (`exit`, a client that
is gone, a signal) ends every job, and with it every process that the job started.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from typing import Any

import anyio
from pygls.io_ import StdinAsyncReader, StdoutWriter, run_async

from lsp_server.server import GreenfinchServer

logger = logging.getLogger(__name__)
_LAST_RESORT_SECONDS = 10.0


class _Nowhere:
    """Takes what is written for a client that is gone."""

    def write(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        pass


async def over_stdio(server: GreenfinchServer) -> int:
    """Serve the client at this process's standard input and output; the exit status that LSP asks for.

    From now on both belong to the client alone: what libraries print goes to standard error, and child processes
    neither read the client's messages nor keep its pipe open.
    """
    stdin, stdout = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:  # noqa: ASYNC230, PTH123 - before anything else runs; devnull is no file
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    await _serve(server, StdinAsyncReader(stdin, server.thread_pool), StdoutWriter(stdout))
    return 0 if server.protocol.is_shut_down else 1


async def over_tcp(server: GreenfinchServer, host: str, port: int) -> int:
    """Serve the first client that connects, for debugging; then end."""
    connected = asyncio.Event()
    connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append((reader, writer))
        connected.set()

    listener = await asyncio.start_server(accept, host, port)
    for sock in listener.sockets:
        print("listening on {}:{}".format(*sock.getsockname()[:2]), file=sys.stderr, flush=True)
    await connected.wait()
    listener.close()
    reader, writer = connections[0]
    await _serve(server, reader, writer)
    writer.close()
    return 0 if server.protocol.is_shut_down else 1


async def _serve(server: GreenfinchServer, reader: Any, writer: Any) -> None:
    server.protocol.set_writer(writer)
    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if sys.platform != "win32":
            loop.add_signal_handler(getattr(signal, name), server.stop)
    async with server.jobs:
        async with anyio.create_task_group() as group:
            group.start_soon(_read, server, reader)
            await server.stopped.wait()
            group.cancel_scope.cancel()
        server.protocol.set_writer(_Nowhere())
        timer = threading.Timer(_LAST_RESORT_SECONDS, os._exit, (1,))  # should a job refuse to end
        timer.daemon = True
        timer.start()
    timer.cancel()


async def _read(server: GreenfinchServer, reader: Any) -> None:
    try:
        await run_async(server.stop_event, reader, server.protocol, logger, server.report_server_error)
    except (OSError, asyncio.IncompleteReadError) as error:
        logger.info("the client is gone: %s", error)
    finally:
        server.stop()
