"""A language server that does nothing but ask its client for settings, and write down what it is told.

Arguments: the file for the answers, then the scopes to ask for, with an empty one for none at all; what an editor gives
a server besides comes behind `--`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def receive() -> dict[str, Any]:
    """The next message; empty once there is none."""
    length = 0
    while (line := sys.stdin.buffer.readline().strip()) or not length:
        if line.lower().startswith(b"content-length:"):
            length = int(line[15:])
        elif not line:
            return {}
    message: dict[str, Any] = json.loads(sys.stdin.buffer.read(length))
    return message


def send(**message: Any) -> None:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    sys.stdout.buffer.flush()


def main(answers: Path, scopes: list[str]) -> None:
    while message := receive():
        match message:
            case {"method": "initialize", "id": number}:
                send(id=number, result={"capabilities": {}})
            case {"method": "initialized"}:
                items = [{"section": "greenfinch", **({"scopeUri": scope} if scope else {})} for scope in scopes]
                send(id=1, method="workspace/configuration", params={"items": items})
            case {"result": result, "id": 1}:
                answers.write_text(json.dumps(dict(zip(scopes, result, strict=True))))
            case {"method": "exit"}:
                return
            case {"method": _, "id": number}:
                send(id=number, result=None)


if __name__ == "__main__":
    given = sys.argv[1 : sys.argv.index("--")]
    main(Path(given[0]), given[1:])
