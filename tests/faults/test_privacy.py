"""With a way out that is watched: a whole run, with the real model, from its host's start to its end, sends no packet.

Without a way out everything works, too: tests/e2e/test_offline.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from promises.workspace import Workspace

CAPTURE = (
    "unshare",
    "--map-root-user",
    "--net",
    "--",
    sys.executable,
    "-I",
    str(Path(__file__).with_name("capture.py")),
)


def can_capture() -> bool:
    if not shutil.which("unshare") or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return False
    return subprocess.run([*CAPTURE, "true"], capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_capture(), reason="needs a TUN device in a network namespace of its own"),
]


def caught(command: list[str], environment: dict[str, str] | None = None) -> tuple[dict[str, object], str]:
    """The capture's account, and what the command printed before."""
    done = subprocess.run(
        [*CAPTURE, *command], capture_output=True, text=True, env=environment, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    printed, _, last = done.stdout.rstrip().rpartition("\n")
    return json.loads(last), printed


def test_whatever_wants_out_is_caught() -> None:
    asks = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'?', ('198.51.100.7', 53))"
    connects = "import socket; s = socket.socket(); s.setblocking(False); s.connect_ex(('198.51.100.7', 443))"
    local = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'?', ('127.0.0.1', 53))"
    for program in (asks, connects, local):
        found, _ = caught([sys.executable, "-c", program])
        assert found["status"] == 0 and found["packets"], program
    found, _ = caught(["true"])
    assert found["packets"] == [] and found["control"]


@pytest.fixture
def private(tmp_path: Path, small_model: Path) -> Iterator[dict[str, str]]:
    """The environment of a user whose host runs in the namespace, and ends with the test."""
    runtime = tempfile.mkdtemp(prefix="gf-")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GREENFINCH_", "XDG_"))}
    yield kept | {
        "HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": runtime, "GREENFINCH_MODELS": str(small_model.parent),
        "GREENFINCH_MODEL": "qwen2.5-coder-0.5b", "GREENFINCH_HOST_IDLE_MINUTES": "0", "GREENFINCH_CANDIDATES": "3",
        "GREENFINCH_MAX_TOKENS": "96", "GREENFINCH_PYTHON": sys.executable, "GREENFINCH_BUDGET_SECONDS": "200",
    }  # fmt: skip
    for process in psutil.process_iter():
        try:
            if any(argument.startswith(f"{runtime}/") for argument in process.cmdline()):
                process.kill()
        except psutil.Error:
            continue
    shutil.rmtree(runtime, ignore_errors=True)


def test_a_whole_run_sends_nothing(tmp_path: Path, private: dict[str, str]) -> None:
    (tmp_path / "project").mkdir()
    workspace = Workspace(tmp_path / "project")
    command = [sys.executable, "-P", "-c", "from engine.cli.main import run; run()"]
    found, printed = caught([*command, "implement", f"{workspace.module}:slugify", "--json"], private)
    outcome = json.loads(printed.splitlines()[-1])
    assert outcome["event"] == "outcome" and outcome["tokens"] > 0, printed
    assert found["packets"] == [] and found["control"]
