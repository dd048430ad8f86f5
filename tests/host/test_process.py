"""The host as a process: one for a socket, gone when idle, clear when it cannot start."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from host_process import HostProcess

from engine.generation.launch import ENDING
from engine.host.loading import EXIT_CODES, MEMORY_SHORT, MODEL_UNFIT

pytestmark = [pytest.mark.model, pytest.mark.slow]

StartHost = Callable[..., HostProcess]


def test_of_two_starters_one_serves_and_the_other_ends_quietly(small_model: Path, start_host: StartHost) -> None:
    hosts = [start_host(small_model), start_host(small_model)]
    end = time.monotonic() + 60
    while all(host.process.poll() is None for host in hosts) and time.monotonic() < end:
        time.sleep(0.05)
    loser, winner = sorted(hosts, key=lambda host: host.process.poll() is None)
    assert loser.process.returncode == 0
    health = winner.wait_for(lambda health: health["status"] == "ok")
    assert health["pid"] == winner.process.pid


def test_a_host_without_work_ends_and_takes_its_socket_along(small_model: Path, start_host: StartHost) -> None:
    host = start_host(small_model, "--idle-minutes", "0.01")
    assert host.process.wait(60) == 0
    assert ENDING in host.log.read_text(), "what tells its clients that it was not lost"
    assert not host.socket.exists()


def test_a_host_that_is_told_to_end_does_so_at_once(small_model: Path, start_host: StartHost) -> None:
    host = start_host(small_model)
    host.wait_for(lambda health: health["status"] == "ok")
    host.process.send_signal(signal.SIGTERM)
    assert host.process.wait(10) == 0
    assert not host.socket.exists()


def test_a_killed_hosts_socket_is_taken_over(small_model: Path, start_host: StartHost) -> None:
    first = start_host(small_model)
    first.wait_for(lambda health: health["status"] == "ok")
    first.process.kill()
    first.process.wait()
    assert first.socket.exists()
    second = start_host(small_model)
    assert second.wait_for(lambda health: health["status"] == "ok")["pid"] == second.process.pid


def test_a_truncated_model_ends_the_host_with_the_reason_in_its_log(
    small_model: Path, start_host: StartHost, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    with small_model.open("rb") as whole:
        broken.write_bytes(whole.read(20_000_000))
    host = start_host(broken)
    assert host.process.wait(60) == EXIT_CODES[MODEL_UNFIT]
    log = host.log.read_text()
    assert "broken.gguf is cut off" in log
    assert not host.socket.exists()


def test_short_memory_makes_the_context_shorter_and_is_told(small_model: Path, start_host: StartHost) -> None:
    left = "import engine.host.loading as loading\nloading.available_bytes = lambda: 1_100_000_000"
    host = start_host(small_model, "--context", "32768", before=left)
    health = host.wait_for(lambda health: health["status"] == "ok")
    assert 1024 <= health["context_tokens"] < 32768
    assert "for want of memory" in health["note"]
    assert host.ask("Say hello.", max_tokens=4)["usage"]["completion_tokens"] > 0


def test_memory_for_no_context_at_all_is_an_error_before_anything_is_loaded(
    small_model: Path, start_host: StartHost
) -> None:
    left = "import engine.host.loading as loading\nloading.available_bytes = lambda: 300_000_000"
    left += "\ndef fail(*_, **__): raise SystemError('it was loaded')\nloading.Backend.__init__ = fail"
    host = start_host(small_model, before=left)
    assert host.process.wait(60) == EXIT_CODES[MEMORY_SHORT]
    assert "300 MB are available" in host.log.read_text()


def test_a_host_whose_step_never_ends_gives_itself_up(small_model: Path, start_host: StartHost) -> None:
    hang = "import time\nfrom engine.host.backend import Backend\nBackend.decode = lambda self: time.sleep(1000)"
    host = start_host(small_model, "--step-limit", "1", before=hang)
    host.wait_for(lambda health: health["status"] == "ok")
    with pytest.raises(httpx.TransportError):
        host.ask("Say hello.", max_tokens=4)
    assert host.process.wait(10) == 1
    assert "a decode step has not ended" in host.log.read_text()
    assert not host.socket.exists()
