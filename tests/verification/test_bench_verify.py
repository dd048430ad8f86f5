"""`greenfinch bench verify`: what a verdict costs, measured by the command a user would run."""

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_every_project_is_measured(levels):
    told = subprocess.run(
        [sys.executable, "-m", "greenfinch_launcher", "bench", "verify", "--repeat", "1", "--json"],
        capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    *rows, machine = map(json.loads, told.stdout.splitlines())
    assert set(machine["machine"]) == {"cores", "system", "python", "pytest", "load"}
    measured = [row for row in rows if "does not have" not in row["reason"]]
    assert len(rows) == 4 and len(measured) >= 3
    for row in measured:
        assert row["cold"] > 0 and row["sandboxed"] > 0
        # The bench itself refuses a run that it asked to be warm and that was cold; how fast one is, it only reports.
        assert (row["ratio"] is not None and not row["reason"]) == ("full" in levels), row
