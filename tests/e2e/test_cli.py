"""The command line as scripts use it: exit status, what is on stdout, and what is written."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from promises.workspace import BAD, GOOD, MODULE, Workspace

COMMAND = str(Path(sys.executable).with_name("greenfinch"))


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "project")


@pytest.fixture
def greenfinch(tmp_path, workspace):
    """Runs the installed command in the workspace, with a script in the model's place."""

    def run(*arguments: str, replies=(GOOD,), **environment: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "script.json"
        script.write_text(json.dumps({"replies": [{"text": text} for text in replies]}))
        own = {
            "GREENFINCH_SCRIPT": str(script),
            "GREENFINCH_RUNS": str(tmp_path / "runs"),
            "GREENFINCH_CONFIG": str(tmp_path / "config.toml"),
            "GREENFINCH_PYTHON": sys.executable,
        }
        return subprocess.run(
            [COMMAND, *arguments],
            cwd=workspace.root,
            env={**os.environ, **own, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_a_pass_is_shown_and_not_written(greenfinch, workspace):
    done = greenfinch("implement", "words.py:slugify")
    assert done.returncode == 0, done.stderr
    assert "proof: slugify: 2/2 tests pass" in done.stdout
    assert '+    return "-".join(title.lower().split())' in done.stdout
    assert workspace.module.read_text() == MODULE


def test_apply_writes_the_winner(greenfinch, workspace):
    assert greenfinch("implement", "words.py:slugify", "--apply").returncode == 0
    assert workspace.module.read_text() == MODULE.replace("    raise NotImplementedError\n", GOOD)


def test_no_pass_exits_with_1_and_reports_the_best_attempt(greenfinch, workspace):
    done = greenfinch("implement", "words.py:slugify", "--apply", "--candidates", "1", replies=(BAD,))
    assert done.returncode == 1
    assert "1/2 tests pass" in done.stdout
    assert "hello world" in done.stdout
    assert workspace.module.read_text() == MODULE


def test_json_is_one_object_a_line_and_the_outcome_last(greenfinch):
    done = greenfinch("implement", "words.py:slugify", "--json", "--strategy", "greedy", replies=(BAD,))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    outcome = lines[-1]
    assert done.returncode == 1
    assert outcome["event"] == "outcome"
    assert {"passed", "tests_passed", "tests_total", "candidates", "seconds", "tokens", "energy_wh", "energy_label",
            "edit", "reason"} <= set(outcome)  # fmt: skip
    assert (outcome["passed"], outcome["edit"], outcome["tests_passed"], outcome["tests_total"]) == (False, None, 1, 2)
    assert "candidate_tested" in [line["event"] for line in lines]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("implement", "nowhere.py:f"), "There is no file 'nowhere.py'"),
        (("implement", "words.py:slugfy"), "It has: slugify"),
        (("implement", "words.py:slugify", "--python", "/not/there"), "Choose another one by the setting `python`"),
        (("implement", "words.py:slugify", "--strategy", "luck"), "'luck' is not one of"),
        (("runs", "show", "20990101"), "greenfinch runs list"),
    ],
)
def test_what_cannot_run_exits_with_2_and_the_remedy_on_stderr(greenfinch, arguments, told):
    done = greenfinch(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "proof" not in done.stdout


def test_a_missing_model_names_the_command_that_pulls_it(greenfinch, tmp_path):
    done = greenfinch("implement", "words.py:slugify", GREENFINCH_SCRIPT="", GREENFINCH_MODELS=str(tmp_path))
    assert done.returncode == 2
    assert "greenfinch models pull qwen2.5-coder-0.5b" in done.stderr


def test_a_file_changed_while_its_winner_was_found_is_not_overwritten(workspace):
    from engine.cli.files import replace_text
    from engine.errors import StaleTargetError

    workspace.module.write_text(MODULE + "# changed\n")
    with pytest.raises(StaleTargetError):
        replace_text(workspace.module, MODULE, "new")
    assert workspace.module.read_text() == MODULE + "# changed\n"


def test_writing_keeps_bytes_mode_and_links(workspace):
    from engine.cli.files import replace_text

    workspace.module.write_bytes(b"\xef\xbb\xbfx = 1\r\n")
    workspace.module.chmod(0o640)
    link = workspace.root / "link.py"
    link.symlink_to(workspace.module)
    replace_text(link, "\ufeffx = 1\r\n", "\ufeffx = 2\r\n")
    assert workspace.module.read_bytes() == b"\xef\xbb\xbfx = 2\r\n"
    assert workspace.module.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert not list(workspace.root.glob(".words*"))


def test_a_run_can_be_looked_at_afterwards(greenfinch):
    greenfinch("implement", "words.py:slugify")
    assert "slugify" in greenfinch("runs", "list").stdout
    shown = greenfinch("runs", "show", "last").stdout
    assert "2/2 tests pass" in shown


def test_doctor_lists_what_a_run_needs(greenfinch):
    done = greenfinch("doctor", "--json", GREENFINCH_ENDPOINT="http://127.0.0.1:9/v1")
    found = {finding["what"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert {"greenfinch", "your Python", "sandbox", "model", "llama.cpp"} <= set(found)
    assert sys.executable in found["your Python"]["found"]


def problems(tmp_path: Path) -> Path:
    """Two problems; the hidden tests of the second ask for more than the visible ones."""
    hidden = "from words import slugify\n\n\ndef test_more():\n    assert slugify({}) == {}\n"
    rows = [
        {
            "id": name,
            "module_path": "words.py",
            "prompt_file_text": MODULE,
            "test_file_name": "test_words.py",
            "test_file_text": "from words import slugify\n\n\ndef test():\n    assert slugify('A b') == 'a-b'\n",
            "hidden_test_file_text": hidden.format(*pair),
            "entry_point": "slugify",
        }
        for name, pair in (("one", ("'C d'", "'c-d'")), ("two", ("'a_b'", "'a-b'")))
    ]
    path = tmp_path / "problems.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return path


def test_bench_tells_visible_from_true_solves_and_resumes(greenfinch, tmp_path):
    command = ("bench", "run", "--problems", str(problems(tmp_path)), "--strategy", "greedy,full", "--json",
               "--out", str(tmp_path / "out"))  # fmt: skip
    done = greenfinch(*command)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    results = [line for line in lines if "summary" not in line]
    assert [(r["id"], r["strategy"], r["solved"], r["true_solved"], r["false_pass"]) for r in results] == [
        ("one", "greedy", True, True, False),
        ("two", "greedy", True, False, True),
        ("one", "full", True, True, False),
        ("two", "full", True, False, True),
    ]
    again = [json.loads(line) for line in greenfinch(*command).stdout.splitlines()]
    assert [line["strategy"] for line in again] == ["greedy", "full"]  # the summaries; nothing was run again
    assert (again[0]["problems"], again[0]["solved"], again[0]["true_solved"], again[0]["false_passes"]) == (2, 2, 1, 1)


def test_a_problem_set_that_is_none_is_refused(greenfinch, workspace):
    done = greenfinch("bench", "run", "--problems", "words.py")
    assert done.returncode == 2
    assert "not a problem set" in done.stderr
