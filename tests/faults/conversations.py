"""What the editors' real clients say in the course of a job, kept in `conversations/`: the seeds of mangled messages.

To record one anew, run the editor's tests, then for the `.messages` file that one of them has left in its folder

    python tests/faults/conversations.py NAME FILE PROJECT

with the Python of the tests; VS Code's, for example, by

    pytest -m slow --basetemp=/tmp/seen tests/editors/test_vscode.py -k by_mouse_and_keyboard
    python tests/faults/conversations.py vscode /tmp/seen/*0/client.messages /tmp/seen/code0/projects/words
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("conversations")
_URI, _PATH = "DOCUMENT", "PATH"  # stand for the one document, and for the project's folder
_PYTHON = f"{_PATH}/.venv/bin/python"  # stands for the interpreter that the client has chosen
_MOST_ALIKE = 3


def recorded(uri: str) -> list[dict[str, Any]]:
    """All messages of all editors, with `uri` as the document; requests have the number 0."""
    folder = uri.rpartition("/")[0]
    path = folder.removeprefix("file://")
    text = _all().replace(_URI, json.dumps(uri)[1:-1]).replace(_PATH, json.dumps(path)[1:-1])
    messages: list[dict[str, Any]] = json.loads(text)
    return messages


@cache
def _all() -> str:
    return json.dumps([message for file in sorted(FOLDER.glob("*.json")) for message in json.loads(file.read_text())])


def split(data: bytes) -> list[dict[str, Any]]:
    """The messages of a client's stream."""
    messages = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.splitlines() if line.lower().startswith(b"content-length:"))
        messages.append(json.loads(data[:length]))
        data = data[length:]
    return messages


def seeds(data: bytes, project: str) -> list[dict[str, Any]]:
    """What is worth mangling of a client's stream: a few messages of each kind, and nothing of this machine."""
    chosen: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    for message in split(data):
        kind = str(message.get("method", "answer"))
        if kind in ("initialize", "shutdown", "exit") or counts.setdefault(kind, 0) == _MOST_ALIKE:
            continue
        counts[kind] += 1
        message.pop("jsonrpc", None)
        if "id" in message:
            message["id"] = 0
        text = json.dumps(message).replace(f"file://{project}/words.py", _URI).replace(project, _PATH)
        text = text.replace(sys.executable, _PYTHON)
        chosen.append(json.loads(text))
    return chosen


if __name__ == "__main__":
    name, stream, project = sys.argv[1:]
    FOLDER.mkdir(exist_ok=True)
    found = seeds(Path(stream).read_bytes(), project)
    (FOLDER / f"{name}.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
