"""`greenfinch bench verify`: what a verdict costs and whether it is right, by the command a user would run."""

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
        assert row["cold"] > 0 and row["sandboxed"] > 0 and row["empty"] > 0 and row["start"] > 0
        # The bench itself refuses a run that it asked to be warm and that was cold; how fast one is, it only reports.
        assert (row["ratio"] is not None and not row["reason"]) == ("full" in levels), row


PROBLEM = {
    "module_path": "double.py", "prompt_file_text": "def double(number):\n    raise NotImplementedError\n",
    "test_file_name": "test_double.py", "entry_point": "double",
    "test_file_text": "from double import double\n\n\ndef test_double():\n    assert double(2) == 4\n"
    "    assert double(7) == 14\n",
}  # fmt: skip


@pytest.mark.slow
def test_solutions_and_stubs_of_a_set_are_judged_and_nothing_twice(tmp_path):
    solutions = {"right": "return number * 2", "wrong": "return number ** 2", "forged": "import os\n    os._exit(0)"}
    problems = tmp_path / "set.jsonl"
    with problems.open("w") as file:
        for name, body in solutions.items():
            solution = PROBLEM["prompt_file_text"].replace("raise NotImplementedError", body)
            file.write(json.dumps({**PROBLEM, "id": name, "canonical_solution_text": solution}) + "\n")

    def bench(limit):
        told = subprocess.run(
            [sys.executable, "-m", "greenfinch_launcher", "bench", "verify", "--problems", str(problems),
             "--limit", str(limit), "--out", str(tmp_path / "out"), "--json"],
            capture_output=True, text=True, check=False, timeout=280,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        return [json.loads(line) for line in told.stdout.splitlines()]

    first = bench(1)
    assert [(each["id"], each["kind"], each["accepted"]) for each in first[:-1]] == [
        ("right", "reference", True),
        ("right", "stub", False),
    ]
    *second, summary = bench(3)
    assert [each["id"] for each in second] == ["wrong", "wrong", "forged", "forged"]
    assert summary["problems"] == 3 and summary["references_accepted"] == 1 and summary["stubs_not_accepted"] == 3
    assert sorted(map(len, summary["references_not_accepted"].values())) == [1, 1]
    assert summary["decided_by"] == {"split": 1} and summary["stubs_accepted"] == []
