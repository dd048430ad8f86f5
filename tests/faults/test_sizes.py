"""Large workspaces, files, suites, and many open documents: they work, and a figure says how time grows with them.

The figures of the sizes that the project promises, as a table (minutes):

    GREENFINCH_SIZES=1 pytest -m slow -s tests/faults/test_sizes.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from faults.mounts import can_mount, greenfinch
from faults.sizes import base, files, took

PROMISED = {"open documents": 200, "lines of one file": 20_000, "files": 50_000, "tests": 5_000}
STEPS = (0.1, 0.5, 1.0)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.mark.skipif(not os.environ.get("GREENFINCH_SIZES"), reason="takes minutes: on demand, see this file's head")
@pytest.mark.parametrize("kind", PROMISED)
def test_each_of_its_promised_size_works(tmp_path: Path, script, kind: str) -> None:
    print(f"\n{kind:>18}  actions, first   later    typing       job    server")
    for step in STEPS:
        size = int(PROMISED[kind] * step)
        found = took(tmp_path / str(size), {kind: size}, script)
        times = (found.first_actions, found.later_actions, found.typing)
        cells = "   ".join(f"{1000 * seconds:7.1f} ms" for seconds in times)
        print(f"{size:18,}  {cells} {found.job:7.1f} s {found.memory:5.0f} MiB")
        assert found.ended["state"] == "passed", found.ended


def test_all_of_a_tenth_of_it_at_once_works(tmp_path: Path, script) -> None:
    found = took(tmp_path / "all", {kind: size // 10 for kind, size in PROMISED.items() if kind != "tests"}, script)
    assert found.ended["state"] == "passed", found.ended


@pytest.mark.skipif(not can_mount(), reason="only here are there copies to be made on purpose")
def test_a_workspace_too_large_to_copy_is_told_before_it_is_copied(tmp_path: Path, script) -> None:
    root = tmp_path / "project"
    base(root)
    files(root, 20_100)
    environment = {**script("    ..."), "GREENFINCH_RUNS": str(tmp_path / "runs"), "TMPDIR": str(tmp_path)}
    done = greenfinch("implement", f"{root}/words.py:slugify", mounts=(), environment=environment, level="partial")
    assert done.returncode == 2 and "too large to be copied" in done.stderr, done.stderr
    assert "Open the folder of one project" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("greenfinch")) == []
