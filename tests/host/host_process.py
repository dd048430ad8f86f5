"""A host process that a test started, and a plain HTTP client for it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx


class HostProcess:
    """Starts a host for `model`; its stderr goes to `host.log` beside the socket.

    Args:
        before: statements that the host's process runs first: a fault that a test wants it to have.
    """

    def __init__(self, model: Path, socket: Path, *arguments: str, before: str = "") -> None:
        program = f"{before}\nimport sys\nfrom engine.host.__main__ import main\nsys.exit(main())"
        start = ["-c", program] if before else ["-m", "engine.host"]
        command = [sys.executable, "-P", *start, "--model", str(model), "--socket", str(socket)]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        self.socket = socket
        self.log = socket.parent / "host.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", env=environment
            )
        self.client = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://localhost", timeout=120, trust_env=False
        )

    def health(self) -> dict[str, Any] | None:
        try:
            return dict(self.client.get("/health").json())
        except httpx.TransportError:
            return None

    def wait_for(self, condition: Callable[[dict[str, Any]], bool], seconds: float = 60) -> dict[str, Any]:
        """Poll /health until `condition` holds of it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            health = self.health()
            if health is not None and condition(health):
                return health
            assert self.process.poll() is None, "the host ended"
            time.sleep(0.05)
        raise AssertionError(f"the host did not get there: {self.health()}")

    def ask(self, prompt: str, **parameters: Any) -> dict[str, Any]:
        """One whole answer; `prefill` begins the reply."""
        messages = [{"role": "user", "content": prompt}]
        if prefill := parameters.pop("prefill", ""):
            messages.append({"role": "assistant", "content": prefill})
        reply = self.client.post("/v1/chat/completions", json={"messages": messages, **parameters})
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def end(self) -> None:
        self.client.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
