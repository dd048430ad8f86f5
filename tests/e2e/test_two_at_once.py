"""On a machine with cores to spare several candidates are judged at a time; the run is the same otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from promises.workspace import GOOD, Workspace

from engine import searching

# Wrong in different ways, so that each is worth a run of the tests.
WRONG = [f'    return title.lower() + "{n}"\n' for n in range(1, 6)]


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_run_with_two_test_workers_comes_to_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "usable_cores", lambda: 8)
    workspace = Workspace(tmp_path / "project")
    outcome = await workspace.implement(*WRONG, GOOD, strategy="best-of-n")
    assert outcome.passed and outcome.tests_passed == outcome.tests_total == 2
