"""Stands between a client and its server, and keeps what the client says, above all how it introduces itself.

Arguments: the file for the `initialize` request's parameters, then the server's command.  Everything is handed on as it
comes, in both directions.  Beside that file lies one, `.messages`, with all that the client has sent
(`tests/faults/conversations.py` makes seeds of it).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO


def main() -> int:
    server = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE)
    assert server.stdin is not None
    try:
        hand_on(sys.stdin.buffer.raw, server.stdin, Path(sys.argv[1]))
        server.stdin.close()
    except BrokenPipeError:
        pass  # the server has ended first
    return server.wait()


def hand_on(source: BinaryIO, target: BinaryIO, kept: Path) -> None:
    """Copy all that comes, and write the first message's `params` to a file once it is complete."""
    begin: bytes | None = b""
    everything = kept.with_suffix(".messages").open("wb", buffering=0)
    while piece := source.read(65536):
        everything.write(piece)
        target.write(piece)
        target.flush()
        if begin is not None:
            begin += piece
            head, _, body = begin.partition(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.splitlines() if line.lower().startswith(b"content-length:")), -1
            )
            if 0 <= length <= len(body):
                kept.write_text(json.dumps(json.loads(body[:length])["params"], indent=1) + "\n")
                begin = None


if __name__ == "__main__":
    sys.exit(main())
