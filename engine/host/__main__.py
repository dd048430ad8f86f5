"""Run a model host: `python -P -m engine.host --model FILE --socket PATH`.

It logs to stderr (whoever starts it points that to a file), serves one socket that only its user can open, or with
`--loopback` a port that asks for a token, and ends when it has been idle for long enough, or hangs.  A second host for
the same socket ends at once, with exit code 0.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

import psutil
import uvicorn
from filelock import FileLock, Timeout
from starlette.types import ASGIApp

from engine.host.app import create_app
from engine.host.batcher import SEQUENCES, Batcher
from engine.host.ladder import GpuLadder
from engine.host.listening import Guard, Listening, listen_loopback, listen_unix
from engine.host.loading import EXIT_CODES, FAILED, load
from engine.machine.cpus import usable_cores

log = logging.getLogger("greenfinch.host")

NICENESS = 5
LEAST_IDLE_SECONDS = 2.0  # time for whoever started the host to send its first request
STEP_LIMIT_SECONDS = 300.0  # a step that takes longer never ends; the slowest machines take half a minute


def main() -> int:
    arguments = _parse(sys.argv[1:])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    lower_priority()
    path: Path = arguments.socket
    lock = FileLock(f"{path}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another host serves %s", path)
        return 0
    try:
        listening = listen_loopback(path) if arguments.loopback else listen_unix(path)
        try:
            code = asyncio.run(_serve(listening, arguments))
        finally:
            listening.close()
    finally:
        lock.release()
    logging.shutdown()
    return code


def lower_priority() -> None:
    """The editor and its server come first."""
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(NICENESS)


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="engine.host", description="Serve a local model on a Unix socket.")
    parser.add_argument("--model", type=Path, required=True, help="GGUF file")
    parser.add_argument("--name", help="name of the model as told to clients (default: the file's)")
    parser.add_argument("--socket", type=Path, required=True, help="path of the socket to serve")
    parser.add_argument("--loopback", action="store_true", help="a port of 127.0.0.1 instead; the path tells clients")
    parser.add_argument("--context", type=int, default=8192, help="tokens of context, shared by all samples")
    parser.add_argument("--threads", type=int, default=0, help="threads (default: the usable physical cores)")
    parser.add_argument("--steady", action="store_true", help="use them all for every step, however busy the machine")
    parser.add_argument("--idle-minutes", type=float, default=10.0, help="end after this long without work")
    parser.add_argument("--step-limit", type=float, default=STEP_LIMIT_SECONDS, help="end if a step takes longer (s)")
    return parser.parse_args(argv)


class _Server(uvicorn.Server):
    """uvicorn, but signals are ours: it would raise them again at its end, before the socket is removed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(listening: Listening, arguments: argparse.Namespace) -> int:
    model: Path = arguments.model
    threads = arguments.threads or usable_cores()
    ladder = GpuLadder(arguments.socket)
    make = partial(load, model, context_tokens=arguments.context, threads=threads, sequences=SEQUENCES, ladder=ladder)
    batcher = Batcher(
        make,
        asyncio.get_running_loop().call_soon_threadsafe,
        steady=arguments.steady,
        give_up=partial(_end_now, arguments.socket, FAILED),
    )
    app: ASGIApp = create_app(batcher, model=arguments.name or model.stem, threads=threads)
    if listening.token:
        app = Guard(app, listening.token)
    server = _Server(
        uvicorn.Config(app, log_config=None, access_log=False, ws="none", lifespan="off", timeout_graceful_shutdown=1)
    )
    idle = max(LEAST_IDLE_SECONDS, arguments.idle_minutes * 60)

    async def end_when_unused() -> None:
        while not batcher.error and batcher.idle_seconds < idle:
            await asyncio.sleep(min(1.0, idle / 4))
            ladder.renew()
            if (age := batcher.stats().step_age) > arguments.step_limit:
                log.error("a decode step has not ended for %.0f seconds: the host hangs and is given up", age)
                _end_now(arguments.socket, FAILED)
        if not batcher.error:
            log.info("ending: idle for %.0f seconds", batcher.idle_seconds)
        server.should_exit = True

    def end_by_signal() -> None:
        log.info("ending: by a signal")
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows: there a host is ended from outside
            asyncio.get_running_loop().add_signal_handler(number, end_by_signal)
    log.info("loading %s with %d threads", model, threads)
    batcher.start()
    watch = asyncio.create_task(end_when_unused())
    await server.serve(sockets=[listening.listener])
    watch.cancel()
    ended = batcher.close(timeout=5)
    if ended or batcher.backend is None:  # else a step on the GPU does not come back
        ladder.mark(in_use=False)
    if not ended:
        _end_now(arguments.socket, FAILED)
    return EXIT_CODES[batcher.error_code] if batcher.error else 0


def _end_now(path: Path, why: str) -> NoReturn:
    """End while llama.cpp is in a call that does not return: unwinding under it would crash."""
    logging.shutdown()
    path.unlink(missing_ok=True)
    os._exit(EXIT_CODES[why])


if __name__ == "__main__":
    sys.exit(main())
