"""`greenfinch verify`: a given text is judged, and nothing is touched."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from promises.workspace import BAD, GOOD, MODULE, Workspace

COMMAND = str(Path(sys.executable).with_name("greenfinch"))


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "project")


def verify(workspace: Workspace, text: str, *arguments: str) -> tuple[int, dict]:
    candidate = workspace.root.parent / "candidate.py"
    candidate.write_text(text)
    before = workspace.hashes()
    done = subprocess.run(
        [COMMAND, "verify", "words.py:slugify", "--candidate", str(candidate), "--json", *arguments],
        cwd=workspace.root,
        env={**os.environ, "GREENFINCH_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert workspace.hashes() == before
    return done.returncode, json.loads(done.stdout)


@pytest.mark.slow
def test_a_good_text_is_accepted_with_its_tests(workspace):
    status, told = verify(workspace, f"def slugify(title):\n{GOOD}")
    assert (status, told["accepted"], told["reason"]) == (0, True, "")
    assert [(t["id"], t["outcome"]) for t in told["tests"]] == [
        ("test_words.py::test_words", "passed"),
        ("test_words.py::test_nothing", "passed"),
    ]
    assert told["sandbox_level"] in {"full", "partial", "limits-only"}
    assert told["decided_by"] == "split"


@pytest.mark.slow
def test_people_are_told_once_what_decided(workspace):
    candidate = workspace.root.parent / "candidate.py"
    candidate.write_text(f"def slugify(title):\n{GOOD}")
    done = subprocess.run(
        [COMMAND, "verify", "words.py:slugify", "--candidate", str(candidate)],
        cwd=workspace.root,
        env={**os.environ, "GREENFINCH_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert re.fullmatch(
        r"accepted \(decided by: your tests, .* process; [\w-]+ sandbox\)", done.stdout.splitlines()[-1]
    )


def test_a_bad_one_is_not_with_the_reason(workspace):
    status, told = verify(workspace, f"def slugify(title):\n{BAD}")
    assert (status, told["accepted"]) == (1, False)
    assert "hello world" in told["reason"]


@pytest.mark.slow
def test_imports_of_the_candidate_come_with_it(workspace):
    text = "import re\n\n\ndef slugify(title):\n    return re.sub(' +', '-', title.strip().lower())\n"
    assert verify(workspace, text)[0] == 0


def test_what_the_gate_refuses_costs_no_test(workspace):
    status, told = verify(workspace, "def slugify(title):\n    return nothing_like_that\n")
    assert (status, told["decided_by"], told["tests"]) == (1, "gate", [])


@pytest.mark.slow
def test_a_whole_module_can_be_judged(workspace):
    text = MODULE.replace("    raise NotImplementedError\n", GOOD).replace("Words", "Other words")
    assert verify(workspace, text, "--replace", "module")[0] == 0
    assert verify(workspace, "raise SystemExit(0)\n", "--replace", "module")[0] == 1


@pytest.mark.slow
def test_a_text_without_the_function_is_not_accepted(workspace):
    status, told = verify(workspace, "def other():\n    pass\n")
    assert (status, told["accepted"], told["decided_by"]) == (1, False, "gate")
    assert "does not define slugify" in told["reason"]


@pytest.mark.slow
def test_a_function_whose_tests_pass_now_can_be_judged_too(workspace):
    workspace.module.write_text(MODULE.replace("    raise NotImplementedError\n", GOOD))
    assert verify(workspace, f"def slugify(title):\n{BAD}")[0] == 1
    assert verify(workspace, f"def slugify(title):\n{GOOD}")[0] == 0


@pytest.mark.slow
def test_a_test_that_turns_out_to_need_another_stub_is_told_as_left_out(workspace):
    workspace.write("words.py", MODULE + "\n\ndef shout(title):\n    raise NotImplementedError\n")
    more = "\n\ndef test_loud():\n    from words import shout\n\n    assert shout(slugify('A')) == 'A'\n"
    workspace.write("test_words.py", (workspace.root / "test_words.py").read_text() + more)
    status, told = verify(workspace, f"def slugify(title):\n{GOOD}")
    assert status == 0
    assert told["warnings"] == ["left out: test_words.py::test_loud (shout)"]
