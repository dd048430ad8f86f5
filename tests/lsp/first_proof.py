"""Seconds from choosing the action to the verified edit, with the run's beginning made ready by the menu and without.

`PYTHONPATH=tests python -m lsp.first_proof [--repeat 5] [--pauses 1,3] [--cold] [--json]`

The same stub among other functions, each time in a file of its own whose text begins differently, is implemented with
the real small model through the real server.  By turns its menu is opened as a user does (kind *invoked*), or its
actions are asked for as an editor does (no kind); the action is chosen a pause later.  Both have the host loaded, or,
with `--cold`, a host of their own that nobody has started yet.  The ratio of the medians is of one run on one machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio
from lsp.editor import Editor, editor
from lsprotocol.types import CodeActionTriggerKind

MODULE = '''"""Numbers, part {n}: what is done to {what} and to others."""


def mean(values):
    """The arithmetic mean; 0 for no values."""
    return sum(values) / len(values) if values else 0


def spread(values):
    """The largest value less the smallest."""
    return max(values) - min(values)


def is_between(value, low, high):
    """Whether value lies between low and high, both included."""
    return low <= value <= high


def clamp(value, low, high):
    """Return value, but at least low and at most high."""
    raise NotImplementedError
'''
TESTS = """from numbers_{n} import clamp, mean


def test_inside():
    assert clamp(5, 0, 10) == 5
    assert clamp(2.5, 2, 3) == 2.5


def test_below_and_above():
    assert clamp(-1, 0, 10) == 0
    assert clamp(11, 0, 10) == 10
    assert clamp(-7, -5, -2) == -5


def test_at_the_ends():
    assert clamp(0, 0, 10) == 0
    assert clamp(10, 0, 10) == 10


def test_mean():
    assert mean([1, 2, 3]) == 2
"""
WHAT = ("lengths", "weights", "ages", "prices", "scores", "angles", "speeds", "sizes")


def write(root: Path, n: int) -> str:
    (root / f"numbers_{n}.py").write_text(MODULE.format(n=n, what=WHAT[n % len(WHAT)]))
    (root / f"test_numbers_{n}.py").write_text(TESTS.format(n=n))
    return f"numbers_{n}.py"


async def seconds(window: Editor, n: int, *, ahead: bool, pause: float) -> float | None:
    """From the choice to the edit; None if the model did not find one."""
    uri = window.open(write(window.root, n))
    kind = CodeActionTriggerKind.Invoked if ahead else None
    actions = await window.actions(uri, "def clamp", trigger=kind)
    await anyio.sleep(pause)
    begun = time.perf_counter()
    job = await window.choose(next(action for action in actions if "Generate" in action.title))
    ended = await window.ended(job["job"])
    return time.perf_counter() - begun if ended["state"] == "passed" else None


async def measure(repeat: int, pauses: list[float], model: str, *, cold: bool) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="gf-proof-"))
    root = folder / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text("[project]\nname = 'numbers'\nversion = '1'\n")
    took: dict[tuple[float, bool], list[float | None]] = {}
    count = 0

    def options() -> dict[str, Any]:
        # A host belongs to its context's size: another size is another host.
        size = 2048 + (8 * count if cold else 0)
        return {"model": model, "budget_seconds": 120.0, "host_idle_minutes": 0.05 if cold else 1.0,
                "context_tokens": size}  # fmt: skip

    async def one(window: Editor, pause: float, ahead: bool) -> None:
        took.setdefault((pause, ahead), []).append(await seconds(window, count, ahead=ahead, pause=pause))

    plan = [(pause, ahead) for turn in range(repeat) for pause in pauses for ahead in (turn % 2 == 0, turn % 2 == 1)]
    try:
        if cold:
            for pause, ahead in plan:
                count += 1
                async with editor(root, options=options()) as window:
                    await one(window, pause, ahead)
        else:
            async with editor(root, options=options()) as window:
                await seconds(window, 0, ahead=False, pause=0.0)
                for pause, ahead in plan:
                    count += 1
                    await one(window, pause, ahead)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"host": "cold" if cold else "loaded", "rows": [row(pause, took) for pause in pauses], "load": load}


def row(pause: float, took: dict[tuple[float, bool], list[float | None]]) -> dict[str, Any]:
    found: dict[str, Any] = {"pause": pause}
    for name, ahead in (("without", False), ("with", True)):
        passed = [each for each in took[pause, ahead] if each is not None]
        found[name] = round(statistics.median(passed), 2) if passed else None
        found[f"{name}_passed"] = f"{len(passed)} of {len(took[pause, ahead])}"
    both = found["with"] and found["without"]
    found["ratio"] = round(found["with"] / found["without"], 2) if both else None
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="lsp.first_proof")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--pauses", default="1,3", help="seconds between the menu and the choice")
    parser.add_argument("--cold", action="store_true", help="no host is running before")
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    pauses = [float(pause) for pause in given.pauses.split(",")]
    found = anyio.run(lambda: measure(given.repeat, pauses, given.model, cold=given.cold))
    if given.json:
        print(json.dumps(found))
        return
    print(f"host {found['host']}, load {found['load']:.1f}; seconds from the choice to the edit, medians:")
    print(f"  {'pause':>6}  {'without':>8}  {'with':>8}  {'ratio':>6}  passed")
    for each in found["rows"]:
        passed = f"{each['without_passed']}, {each['with_passed']}"
        print(f"  {each['pause']:6.1f}  {each['without']!s:>8}  {each['with']!s:>8}  {each['ratio']!s:>6}  {passed}")


if __name__ == "__main__":
    main()
