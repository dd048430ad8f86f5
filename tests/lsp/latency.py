"""How long code actions take while a run is under way at full load: an editor that asks, and counts.

`PYTHONPATH=tests python -m lsp.latency [--seconds 40] [--functions 200] [--json]`

An impossible stub is being implemented with the real small model (candidates decode together, their tests run beside
them, all cores busy) while the editor asks for code actions twenty times a second in a file of many functions, and
types a character before every tenth of these, so that the server has to parse it again.  Beside it the same before
the run.  Prints the latencies in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio
from lsp.editor import Editor, editor

IMPOSSIBLE = '''"""Texts."""


def scramble(text):
    """The text, scrambled as nobody can guess."""
    raise NotImplementedError
'''
# Each candidate costs a run of tests that uses a core for a while, and none can pass.
TESTS = """import hashlib

from texts import scramble


def test_scramble():
    value = b"x"
    for _ in range(300_000):
        value = hashlib.sha256(value).digest()
    assert hashlib.sha256(str(scramble("a")).encode()).hexdigest() == value.hex()
"""
PERIOD = 0.05
CHANGED = 10


def many(functions: int) -> str:
    made = (
        f'def step_{n}(value: int) -> int:\n    """Step {n}."""\n    return value + {n}\n' for n in range(functions)
    )
    return "\n\n".join([*made, "def last(value: int) -> int:\n    raise NotImplementedError\n"])


async def ask(window: Editor, uri: str, seconds: float) -> list[float]:
    """Latencies of code actions asked for at a steady pace, in milliseconds; late answers do not thin them out."""
    took: list[float] = []

    async def one(marker: str) -> None:
        begun = time.perf_counter()
        await window.actions(uri, marker)
        took.append((time.perf_counter() - begun) * 1e3)

    async with anyio.create_task_group() as tasks:
        begun = time.perf_counter()
        count = 0
        while (now := time.perf_counter() - begun) < seconds:
            if now < count * PERIOD:
                await anyio.sleep(count * PERIOD - now)
            if count % CHANGED == 0:
                window.type(uri, "raise NotImplementedError", "raise NotImplementedError ")
            tasks.start_soon(one, "def last")
            count += 1
    return took


def told(took: list[float]) -> dict[str, Any]:
    took = sorted(took)
    at = {f"p{share}": round(took[min(len(took) - 1, len(took) * share // 100)], 1) for share in (50, 90, 99)}
    return {"requests": len(took), **at, "most": round(took[-1], 1)}


async def measure(seconds: float, functions: int, model: str) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="gf-latency-"))
    root = folder / "project"
    root.mkdir()
    (root / "texts.py").write_text(IMPOSSIBLE)
    (root / "test_texts.py").write_text(TESTS)
    (root / "many.py").write_text(many(functions))
    (root / "pyproject.toml").write_text("[project]\nname = 'texts'\nversion = '1'\n")
    options = {"model": model, "budget_seconds": 3600.0, "candidates": 1000, "host_idle_minutes": 0.1}
    try:
        async with editor(root, options=options) as window:
            uri, target = window.open("many.py"), window.open("texts.py")
            await window.actions(uri, "def last")
            before = told(await ask(window, uri, min(10.0, seconds)))
            job = (await window.choose(await window.action(target, "def scramble", "Generate")))["job"]
            await window.until(lambda: any("tried" in str(value) for value in window.progress), seconds=600)
            during = told(await ask(window, uri, seconds))
            status = await window.run("greenfinch.status")
            running = next(each for each in status["jobs"] if each["job"] == job)["state"] == "running"
            await window.run("greenfinch.cancel", {"job": job})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"functions": functions, "idle": before, "under load": during, "still running": running, "load": load}


def main() -> None:
    parser = argparse.ArgumentParser(prog="lsp.latency")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--functions", type=int, default=200)
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = anyio.run(measure, arguments.seconds, arguments.functions, arguments.model)
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"a file of {found['functions']} functions, load {found['load']:.1f}; code actions, milliseconds:")
    for name in ("idle", "under load"):
        row = found[name]
        figures = "  ".join(f"{key} {row[key]}" for key in ("p50", "p90", "p99", "most"))
        print(f"  {name:10}  {figures}  of {row['requests']}")
    if not found["still running"]:
        sys.exit("the run ended meanwhile: these are not figures under load")


if __name__ == "__main__":
    main()
