"""Real hosts with the real small model."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from host_process import HostProcess

StartHost = Callable[..., HostProcess]


@pytest.fixture
def start_host() -> Iterator[StartHost]:
    """Starts hosts that all serve one socket: `start_host(model, *arguments)`."""
    # pytest's own folders have paths too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="gf-"))
    started: list[HostProcess] = []

    def start(model: Path, *arguments: str, before: str = "") -> HostProcess:
        started.append(HostProcess(model, folder / "host.sock", *arguments, before=before))
        return started[-1]

    yield start
    for host in started:
        host.end()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def host(small_model: Path) -> Iterator[HostProcess]:
    """A loaded host with a small context, shared by the tests of a module."""
    folder = Path(tempfile.mkdtemp(prefix="gf-"))
    shared = HostProcess(small_model, folder / "host.sock", "--context", "2048")
    shared.wait_for(lambda health: health["status"] == "ok")
    yield shared
    shared.end()
    shutil.rmtree(folder)
