"""Run a model host: `python -P -m engine.host --model FILE --socket PATH`.

It logs to stderr (whoever starts it points that to a file), serves one socket that only its user can open, and ends
when it has been idle for long enough, or hangs.  A second host for the same socket ends at once, with exit code 0.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn

import uvicorn
from filelock import FileLock, Timeout

from engine.host.app import create_app
from engine.host.batcher import SEQUENCES, Batcher
from engine.host.loading import EXIT_CODES, FAILED, load
from engine.machine.cpus import usable_cores

log = logging.getLogger("greenfinch.host")

NICENESS = 5  # the editor and its server come first
LEAST_IDLE_SECONDS = 2.0  # time for whoever started the host to send its first request
STEP_LIMIT_SECONDS = 300.0  # a step that takes longer never ends; the slowest machines take half a minute


def main() -> int:
    arguments = _parse(sys.argv[1:])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    path: Path = arguments.socket
    lock = FileLock(f"{path}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another host serves %s", path)
        return 0
    try:
        listener = _listen(path)
        try:
            code = asyncio.run(_serve(listener, arguments))
        finally:
            path.unlink(missing_ok=True)
            listener.close()
    finally:
        lock.release()
    logging.shutdown()
    return code


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="engine.host", description="Serve a local model on a Unix socket.")
    parser.add_argument("--model", type=Path, required=True, help="GGUF file")
    parser.add_argument("--name", help="name of the model as told to clients (default: the file's)")
    parser.add_argument("--socket", type=Path, required=True, help="path of the socket to serve")
    parser.add_argument("--context", type=int, default=8192, help="tokens of context, shared by all samples")
    parser.add_argument("--threads", type=int, default=0, help="threads (default: the usable physical cores)")
    parser.add_argument("--idle-minutes", type=float, default=10.0, help="end after this long without work")
    parser.add_argument("--step-limit", type=float, default=STEP_LIMIT_SECONDS, help="end if a step takes longer (s)")
    return parser.parse_args(argv)


def _listen(path: Path) -> socket.socket:
    """Bind the socket, in place of one that a dead host left behind; nobody but its user may connect."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen(128)
    return listener


class _Server(uvicorn.Server):
    """uvicorn, but signals are ours: it would raise them again at its end, before the socket is removed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(listener: socket.socket, arguments: argparse.Namespace) -> int:
    model: Path = arguments.model
    threads = arguments.threads or usable_cores()
    make = partial(load, model, context_tokens=arguments.context, threads=threads, sequences=SEQUENCES)
    batcher = Batcher(make, asyncio.get_running_loop().call_soon_threadsafe)
    app = create_app(batcher, model=arguments.name or model.stem, threads=threads)
    server = _Server(
        uvicorn.Config(app, log_config=None, access_log=False, ws="none", lifespan="off", timeout_graceful_shutdown=1)
    )
    idle = max(LEAST_IDLE_SECONDS, arguments.idle_minutes * 60)

    async def end_when_unused() -> None:
        while not batcher.error and batcher.idle_seconds < idle:
            await asyncio.sleep(min(1.0, idle / 4))
            if (age := batcher.stats().step_age) > arguments.step_limit:
                log.error("a decode step has not ended for %.0f seconds: the host hangs and is given up", age)
                _end_now(arguments.socket, FAILED)
        if not batcher.error:
            log.info("idle for %.0f seconds: ending", batcher.idle_seconds)
        server.should_exit = True

    def end_by_signal() -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end_by_signal)
    log.info("loading %s with %d threads", model, threads)
    batcher.start()
    watch = asyncio.create_task(end_when_unused())
    await server.serve(sockets=[listener])
    watch.cancel()
    if not batcher.close(timeout=5):
        _end_now(arguments.socket, FAILED)
    return EXIT_CODES[batcher.error_code] if batcher.error else 0


def _end_now(path: Path, why: str) -> NoReturn:
    """End while llama.cpp is in a call that does not return: unwinding under it would crash."""
    logging.shutdown()
    path.unlink(missing_ok=True)
    os._exit(EXIT_CODES[why])


if __name__ == "__main__":
    sys.exit(main())
