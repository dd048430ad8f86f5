"""What a local generator tells, and which model it takes, when the host it had is not there any more."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.config import Settings
from engine.energy import Account, Meter
from engine.generation.local import LocalGenerator
from engine.generation.pool import PoolGenerator

pytestmark = pytest.mark.anyio


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A link to a model file."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    point(tmp_path / "current.gguf", "old")
    return tmp_path / "current.gguf"


def point(link: Path, name: str) -> None:
    """Let it lead to a file of this name."""
    link.with_name(f"{name}.gguf").write_bytes(b"GGUF" + name.encode())
    link.unlink(missing_ok=True)
    link.symlink_to(f"{name}.gguf")


class Host:
    """Answers for a host's health; None: nobody is there."""

    def __init__(self) -> None:
        self.health: dict[str, Any] | None = None

    def work(self, pid: int, seconds: float) -> None:
        self.health = {"pid": pid, "cpu_seconds": seconds, "decode_seconds": seconds, "prompt_seconds": 0.0}

    def __call__(self, _request: httpx.Request) -> httpx.Response:
        if self.health is None:
            raise httpx.ConnectError("nobody")
        return httpx.Response(200, json=self.health)


async def test_what_a_host_has_done_stays_known_when_it_is_away(model: Path) -> None:
    """In a pool, too: a reading while it is lost costs nothing twice, and what it did for one run is not the next's."""
    host, watts = Host(), 3600.0  # a watt-hour a second
    local = LocalGenerator(Settings(model=str(model)))
    pool = PoolGenerator([], local)
    async with aclosing(pool):
        assert await local.work() is None, "it has met none"
        connection = await local._connect()
        connection.client = httpx.AsyncClient(transport=httpx.MockTransport(host))
        local._spent.started = {5, 6}
        first = Account(Meter(watts, openers=()))
        await first.attach(pool.work)
        host.work(5, 10.0)
        assert (await first.read(0.0)).watt_hours == 10.0
        host.health = None
        assert (await first.read(0.0)).watt_hours == 10.0
        host.work(6, 2.0)
        assert (await first.read(0.0)).watt_hours == 12.0
        host.health = None
        second = Account(Meter(watts, openers=()))
        await second.attach(pool.work)
        host.work(6, 3.0)
        assert (await second.read(0.0)).watt_hours == 1.0


async def test_a_link_that_names_a_model_is_followed_anew_each_time(model: Path) -> None:
    async with aclosing(LocalGenerator(Settings(model=str(model)))) as generator:
        first = await generator._connect()
        assert first.model.path == model.with_name("old.gguf")
        assert await generator._connect() is first
        point(model, "new")
        second = await generator._connect()
        assert second.model.path == model.with_name("new.gguf")
        assert second.socket != first.socket
