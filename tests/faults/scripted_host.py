"""A model's server as a process of its own, with a script in the model's place: something that a test can kill.

`python scripted_host.py PORT SCRIPT` speaks as much of the OpenAI protocol as the engine asks for.  The script has the
form of `engine.generation.scripted`, is read anew for each sample, and its fitting replies take turns.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_turns = itertools.count()


class Handler(BaseHTTPRequestHandler):
    script: Path

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        self._whole(200, {"data": [{"id": "script"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = "".join(message["content"] for message in body["messages"])
        replies = json.loads(self.script.read_text())["replies"]
        fitting = [reply for reply in replies if reply.get("match", "") in said]
        reply = fitting[next(_turns) % len(fitting)]
        if "error" in reply:
            self._whole(500, {"error": {"message": reply["error"]}})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        tokens = re.findall(r"\s*\S+|\s+", reply["text"])
        try:
            for token in itertools.cycle(tokens) if reply.get("repeat") else tokens:
                time.sleep(reply.get("delay_per_token", 0))
                self._event({"choices": [{"delta": {"content": token}}]})
            self._event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        except OSError:
            return  # the sample was ended by its client

    def _event(self, event: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.flush()

    def _whole(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    Handler.script = Path(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
