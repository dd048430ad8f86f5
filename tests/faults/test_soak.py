"""A day's use: nothing grows.  An hour of it, with the figures:

GREENFINCH_SOAK_SECONDS=3600 pytest -m slow -s tests/faults/test_soak.py
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest
from faults.soak import Soak
from host.host_process import HostProcess

SECONDS = float(os.environ.get("GREENFINCH_SOAK_SECONDS", "12"))
LONG = SECONDS > 300

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * 3600 + SECONDS)]


def test_a_server_in_use_does_not_grow(project: Path, script) -> None:
    soak = Soak(project, script)
    try:
        soak.until(time.monotonic() + 0.75 * SECONDS)
        print(f"\n{soak.account()}")
        assert soak.wire.close() == 0
        assert "Traceback" not in soak.wire.log.read_text()
    finally:
        soak.wire.kill()
    assert soak.grown() == {}
    if LONG:  # in a few rounds caches fill, and say nothing
        quarter = len(soak.censuses) // 4
        for name in ("objects", "MiB"):
            assert soak.censuses[-1][name] < 1.1 * soak.censuses[quarter][name], name


@pytest.mark.model
def test_a_host_in_use_does_not_grow(tmp_path: Path, small_model: Path) -> None:
    host = HostProcess(small_model, tmp_path / "host.sock", "--context", "2048", "--threads", "1")
    try:
        host.wait_for(lambda health: health["status"] == "ok")
        process = psutil.Process(host.process.pid)
        end, sizes, rounds = time.monotonic() + 0.25 * SECONDS, [], 0
        while time.monotonic() < end or rounds < 4:
            rounds += 1
            host.ask(f"Say {rounds}.", max_tokens=4, seed=rounds)
            with host.client.stream("POST", "/v1/chat/completions", json=_endless(rounds)) as reply:
                next(reply.iter_raw())  # and no more of it: the client goes away
            sizes.append((process.memory_info().rss / 2**20, process.num_fds(), process.num_threads()))
        host.ask("The end.", max_tokens=4)
        early, late = sizes[len(sizes) // 4], sizes[-1]
        print(f"\n{rounds} rounds; MiB, files, threads: {early} after a quarter, {late} at the end")
        assert late[1] <= early[1] + 3 and late[2] <= early[2] + 1
        if LONG:
            assert late[0] < 1.05 * early[0]
    finally:
        host.end()


def _endless(number: int) -> dict[str, object]:
    messages = [{"role": "user", "content": f"Count from {number} to 100000."}]
    return {"messages": messages, "max_tokens": 1000, "stream": True}
