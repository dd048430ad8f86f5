"""One child process, awaited: its lines as they come, its output bounded, its end certain.

Cells are built on this.  Whatever happens to the awaiting task, the child is gone when `supervise` is left.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream, Process
from attrs import frozen

KEPT_OUTPUT = 32_000  # bytes, half of them from the beginning
LONGEST_LINE = 1 << 20
POLL_SECONDS = 0.01
CLOSING_SECONDS = 1.0  # for pipes that something we could not end still holds open


@frozen
class ProcessEnd:
    """Exit status (negative for a signal), bounded stderr, wall time in seconds, and which bound was hit, if any."""

    status: int | None
    output: str
    seconds: float
    timed_out: bool
    exceeded: str


class Output:
    """Keeps the beginning and the end of what is printed, and counts all of it."""

    def __init__(self) -> None:
        self.head = bytearray()
        self.tail = bytearray()
        self.count = 0

    def add(self, data: bytes) -> None:
        self.count += len(data)
        room = KEPT_OUTPUT // 2 - len(self.head)
        if room > 0:
            self.head += data[:room]
            data = data[room:]
        self.tail += data
        del self.tail[: -KEPT_OUTPUT // 2]

    def text(self) -> str:
        left_out = self.count - len(self.head) - len(self.tail)
        gap = f"\n[... {left_out} bytes left out ...]\n".encode() if left_out else b""
        return bytes(self.head + gap + self.tail).decode("utf-8", "replace")


async def supervise(
    argv: Sequence[str],
    *,
    first_line: str,
    hold_stdin: bool,
    environment: Mapping[str, str],
    cwd: Path,
    seconds: float,
    output_bytes: int,
    on_line: Callable[[str], None],
    end_tree: Callable[[Process], Awaitable[None]],
    pass_fds: Sequence[int] = (),
) -> ProcessEnd:
    """Run `argv` in a session of its own until it ends by itself, or a bound or a cancellation ends it.

    Args:
        first_line: written to its stdin, with a line break; then stdin is closed, unless `hold_stdin`.
        end_tree: ends the process and all it started, at once; called on every way out.
        on_line: called with each line of stdout.

    Raises:
        OSError: the program cannot be started.
    """
    started = time.perf_counter()
    output = Output()
    exceeded = ""
    lines = 0
    process = await anyio.open_process(
        list(argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        cwd=cwd,
        start_new_session=sys.platform != "win32",
        pass_fds=pass_fds,
    )

    async def read_output(stream: ByteReceiveStream) -> None:
        nonlocal exceeded
        async for data in stream:
            output.add(data)
            if output.count > output_bytes:
                exceeded = "output"

    async def read_lines(stream: ByteReceiveStream) -> None:
        nonlocal exceeded, lines
        pending = b""
        async for data in stream:
            lines += len(data)
            if lines > output_bytes or len(pending) > LONGEST_LINE:
                exceeded = "output"
                continue
            *whole, pending = (pending + data).split(b"\n")
            for line in whole:
                on_line(line.decode("utf-8", "replace"))

    assert process.stdin and process.stdout and process.stderr  # noqa: S101 - all three are pipes
    timed_out = True
    try:
        async with anyio.create_task_group() as readers:
            readers.start_soon(read_output, process.stderr)
            readers.start_soon(read_lines, process.stdout)
            try:
                with anyio.move_on_after(seconds):
                    try:
                        await process.stdin.send(first_line.encode() + b"\n")
                        if not hold_stdin:
                            await process.stdin.aclose()
                    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                        pass  # it has ended already; its status tells
                    # Not process.wait(): in some versions of asyncio that waits for the pipes too, which a process
                    # that outlives its parent keeps open.
                    while process.returncode is None and not exceeded:  # noqa: ASYNC110 - there is no event for it
                        await anyio.sleep(POLL_SECONDS)
                    timed_out = False
            finally:
                with anyio.CancelScope(shield=True):
                    await end_tree(process)
            readers.cancel_scope.deadline = anyio.current_time() + CLOSING_SECONDS
    finally:
        with anyio.CancelScope(shield=True):
            while process.returncode is None:  # noqa: ASYNC110 - as above
                await anyio.sleep(POLL_SECONDS)
            await process.stdin.aclose()
            with anyio.move_on_after(CLOSING_SECONDS):  # the pipes' own ends let the event loop forget them
                for stream in (process.stdout, process.stderr):
                    async for _ in stream:
                        continue
    return ProcessEnd(process.returncode, output.text(), time.perf_counter() - started, timed_out, exceeded)
