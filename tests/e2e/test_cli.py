"""The command line as scripts use it: exit status, what is on stdout, and what is written."""

import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from promises.workspace import BAD, GOOD, MODULE, Workspace

COMMAND = str(Path(sys.executable).with_name("greenfinch"))


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "project")


def scripted(folder: Path, *replies: dict) -> dict[str, str]:
    """The environment of a command that a script serves instead of a model."""
    script = folder / "script.json"
    script.write_text(json.dumps({"replies": replies}))
    own = {
        "GREENFINCH_SCRIPT": str(script),
        "GREENFINCH_RUNS": str(folder / "runs"),
        "GREENFINCH_CONFIG": str(folder / "config.toml"),
        "GREENFINCH_PYTHON": sys.executable,
    }
    return {**os.environ, **own}


@pytest.fixture
def greenfinch(tmp_path, workspace):
    """Runs the installed command in the workspace, with a script in the model's place."""

    def run(*arguments: str, replies=(GOOD,), **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments],
            cwd=workspace.root,
            env={**scripted(tmp_path, *({"text": text} for text in replies)), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


@pytest.mark.slow
def test_a_pass_is_shown_and_not_written(greenfinch, workspace):
    done = greenfinch("implement", "words.py:slugify")
    assert done.returncode == 0, done.stderr
    assert "proof: slugify: 2/2 tests pass" in done.stdout
    assert '+    return "-".join(title.lower().split())' in done.stdout
    assert workspace.module.read_text() == MODULE


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git to apply the patch")
@pytest.mark.slow
def test_what_is_piped_is_a_patch(greenfinch, workspace, tmp_path):
    long = "All about titles, " * 8
    workspace.module.write_text(
        f'class Title:\n\tdef slug(self, title):\n\t\t"""{long}"""\n\t\traise NotImplementedError\n'
    )
    workspace.write("test_words.py", "from words import Title\n\n\ndef test():\n    assert Title().slug('A') == 'a'\n")
    done = greenfinch("implement", "words.py:Title.slug", replies=("\t\treturn title.lower()\n",), COLUMNS="40")
    assert done.returncode == 0, done.stderr
    assert f'\n \t\t"""{long}"""\n' in done.stdout
    assert "\nproof: " in done.stdout and done.stdout.rstrip().endswith(")")
    assert len(done.stdout[done.stdout.index("proof: ") :].splitlines()) == 1
    patch = tmp_path / "winner.patch"
    patch.write_text(done.stdout[done.stdout.index("--- a/") : done.stdout.index("proof: ")])
    applied = subprocess.run(
        ["git", "apply", "--check", str(patch)], cwd=workspace.root, capture_output=True, text=True
    )
    assert applied.returncode == 0, applied.stderr


def test_a_diff_in_a_terminal_has_colours_and_keeps_tabs_returns_and_the_default_for_context():
    from rich.console import Console

    from engine.cli.display import show_diff

    diff = "@@ -1,2 +1,2 @@\n \tcontext\r\n-old\n+[bold]new[/]\n"
    terminal = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=10, no_color=False)
    show_diff(terminal, diff)
    assert terminal.file.getvalue().split("\n") == [
        "\x1b[36m@@ -1,2 +1,2 @@\x1b[0m", " \tcontext\r", "\x1b[31m-old\x1b[0m", "\x1b[32m+[bold]new[/]\x1b[0m", "",
    ]  # fmt: skip
    pipe = Console(file=io.StringIO(), force_terminal=False, width=10)
    show_diff(pipe, diff)
    assert pipe.file.getvalue() == diff


def test_an_interruption_exits_with_130_and_changes_nothing(workspace, tmp_path):
    environment = scripted(tmp_path, {"text": "    title = title.lower()\n", "repeat": True, "delay_per_token": 0.05})
    before = workspace.hashes()
    command = [COMMAND, "implement", "words.py:slugify", "--apply", "--json"]
    with subprocess.Popen(
        command, cwd=workspace.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job ignores it
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:  # until it is at work
            if json.loads(line)["event"] == "candidate_grew":
                break
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert time.monotonic() - sent < 10
    assert process.returncode == 130
    assert errors.strip() == "greenfinch: interrupted; nothing was changed."
    assert workspace.hashes() == before


@pytest.mark.slow
def test_json_of_a_run_that_could_not_be_ends_with_the_error(greenfinch):
    for arguments in (("implement", "words.py:slugfy"), ("implement", "nowhere.py:f"),
                      ("verify", "words.py:slugfy", "--candidate", "words.py")):  # fmt: skip
        done = greenfinch(*arguments, "--json")
        last = json.loads(done.stdout.splitlines()[-1])
        assert done.returncode == 2
        assert last["event"] == "error"
        assert f"greenfinch: {last['what']}" in done.stderr and last["remedy"] in done.stderr


def test_apply_writes_the_winner(greenfinch, workspace):
    assert greenfinch("implement", "words.py:slugify", "--apply").returncode == 0
    assert workspace.module.read_text() == MODULE.replace("    raise NotImplementedError\n", GOOD)


def test_no_pass_exits_with_1_and_reports_the_best_attempt(greenfinch, workspace):
    done = greenfinch("implement", "words.py:slugify", "--apply", "--candidates", "1", replies=(BAD,))
    assert done.returncode == 1
    assert "\n1 candidate, " in done.stdout
    assert "it passes 1/2 tests" in done.stdout
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
        (("implement", "."), "'.' is a folder"),
        (("implement", "../project:f"), "Name a file in it"),
        (("implement", "words.py:slugify", "--root", "/usr"), "Choose a --root above the file"),
        (("verify", "words.py:slugify", "--candidate", "words.py", "--root", "/usr"), "does not lie under"),
        (("no-such-command",), "No such command"),
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


OWN_COMMAND = """
import click

from engine.cli.main import errors_as_json, run


@click.command()
def command():
    with errors_as_json(True):
        {body}


run(command)
"""


def own(body: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command of its own under the real command line's `run`."""
    command = [sys.executable, "-c", OWN_COMMAND.format(body=body)]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)


def test_what_the_system_refuses_is_an_error_and_no_traceback():
    done = own("open('/not/there.txt')")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "greenfinch: /not/there.txt: No such file or directory."
    assert done.stderr.splitlines()[1].startswith("  -> ")
    assert json.loads(done.stdout)["what"] == "/not/there.txt: No such file or directory."


def test_what_cannot_be_encoded_is_printed_as_an_escape():
    done = own(r"print('\udcff'); click.echo('\ud800'); click.echo('\udcfe', err=True)")
    assert (done.returncode, done.stderr.strip()) == (0, r"\udcfe")
    assert done.stdout.split() == [r"\udcff", r"\ud800"]
    done = own(r"import rich.console; rich.console.Console().print('\u2713 \ud800')", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stdout.strip()) == (0, r"\u2713 \ud800")


@pytest.mark.slow
def test_a_test_that_says_what_cannot_be_encoded_ends_no_run(greenfinch, workspace):
    workspace.write(
        "test_words.py",
        "from words import slugify\n\n\ndef test():\n    assert slugify('A b') == 'a-b', '<\\udcff>'\n",
    )
    done = greenfinch("implement", "words.py:slugify", "--candidates", "1", replies=(BAD,))
    assert done.returncode == 1, done.stderr
    assert r"<\udcff>" in done.stdout


def test_a_missing_model_names_the_command_that_pulls_it(greenfinch, tmp_path):
    done = greenfinch("implement", "words.py:slugify", GREENFINCH_SCRIPT="", GREENFINCH_MODELS=str(tmp_path))
    assert done.returncode == 2
    assert "greenfinch models pull qwen2.5-coder-0.5b" in done.stderr


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_run_can_be_looked_at_afterwards(greenfinch):
    greenfinch("implement", "words.py:slugify")
    assert "slugify" in greenfinch("runs", "list").stdout
    shown = greenfinch("runs", "show", "last").stdout
    assert "2/2 tests pass" in shown


def test_doctor_lists_what_a_run_needs(greenfinch):
    done = greenfinch("doctor", "--json", GREENFINCH_ENDPOINT="http://127.0.0.1:9/v1")
    found = {finding["what"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert {"greenfinch", "your Python", "test framework", "sandbox", "model", "model host"} <= set(found)
    assert sys.executable in found["your Python"]["found"]


def test_doctor_notes_a_python_without_a_test_framework(monkeypatch):
    from click.testing import CliRunner

    from engine.cli import doctor

    async def examine(_root: Path) -> list[doctor.Finding]:
        return [doctor.Finding("a", True, "x"), doctor.Finding("b", True, "y", "install pytest")]

    monkeypatch.setattr(doctor, "examine", examine)
    done = CliRunner().invoke(doctor.doctor)
    assert done.stdout.splitlines() == ["ok   a: x", "note b: y", "       -> install pytest"]
    assert done.exit_code == 0


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_bench_records_pools_that_can_be_replayed_without_a_model(greenfinch, tmp_path):
    out = tmp_path / "out"
    command = ("bench", "run", "--problems", str(problems(tmp_path)), "--strategy",
               "everything(plain=2;variants=1;parents=1;repairs=1)", "--json", "--out", str(out))  # fmt: skip
    done = greenfinch(*command, replies=(BAD, GOOD, "    return '-'.join(title.lower().split('_'))\n"))
    assert done.returncode == 0, done.stderr
    first, second = (json.loads(line) for line in (out / "pool.jsonl").read_text().splitlines())
    assert [c["kind"] for c in first["candidates"]] == ["greedy", *["sampled"] * 5, "repaired"]
    assert [c["variant"] for c in first["candidates"]][:6] == ["plain", "plain", "plain", "plan", "bare", "steps"]
    assert (first["candidates"][0]["status"], first["candidates"][0]["vector"]) == ("failed", [False])
    passed = [c for c in first["candidates"] if c["status"] == "passed"]
    assert passed
    assert all(c["hidden"] for c in passed)
    assert not any(
        c["hidden"] for c in second["candidates"] if c["bodies"].get("slugify", "").startswith("return title")
    )
    told = greenfinch("bench", "simulate", str(out), "--draws", "3", "--json", replies=())
    assert told.returncode == 0, told.stderr
    *standings, comparison = (json.loads(line) for line in told.stdout.splitlines())
    assert {"full", "greedy", "best-of-n"} <= {standing["policy"] for standing in standings}
    assert comparison["comparison"]
    assert comparison["runs"] == 2
    assert "best fixed policy in hindsight" in greenfinch("bench", "simulate", str(out), "--draws", "1").stdout


def test_a_problem_set_that_is_none_is_refused(greenfinch, workspace):
    done = greenfinch("bench", "run", "--problems", "words.py")
    assert done.returncode == 2
    assert "not a problem set" in done.stderr
