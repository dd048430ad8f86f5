"""A run's record: all it takes to replay the run, readable by its user alone, and never the reason that a run ends."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from engine import record
from engine.cli.runs import runs
from engine.config import Settings
from engine.errors import GreenfinchError
from engine.record import Recorder
from engine.redaction import Redactor

FAILURE = {"id": "tests/test_s.py::test_b", "outcome": "failed", "message": "AssertionError: assert 'a b' == 'a-b'"}
TESTED = {"event": "candidate_tested", "tests_total": 2, "seconds": 0.4, "tokens": 40, "best": 2, "tried": 1}
OUTCOME = {"event": "outcome", "candidates": 2, "seconds": 4.1, "tokens": 81, "energy_wh": 0.03}
OUTCOME |= {"energy_label": "estimated", "tests_total": 2}
PROOF = "slugify: 2/2 tests pass (candidate 2 of 2, 4.1 s, 0.03 Wh estimated)"
DIFF = "--- a/s.py\n+++ b/s.py\n@@ -1 +1 @@\n-    ...\n+    return text\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where records go."""
    monkeypatch.setenv("GREENFINCH_RUNS", str(tmp_path / "state" / "runs"))
    return tmp_path / "state" / "runs"


def write(run: str, *events: dict[str, Any]) -> Path:
    target = {"path": "/project/s.py", "qualname": "slugify", "kind": "function"}
    with Recorder(run) as recorder:
        recorder.write(record.header(run, settings=Settings(), target=target, texts={"/project/s.py": "é\r\n"}))
        for event in events:
            recorder.write(event)
    assert recorder.warning == ""
    return recorder.path


def test_what_is_written_is_read_back() -> None:
    run = record.new_run_id()
    write(run, TESTED, OUTCOME)
    first, *others = record.load_run(run)
    assert (first["run"], first["format"]) == (run, 1)
    assert first["target"]["qualname"] == "slugify"
    assert first["texts"] == {"/project/s.py": "é\r\n"}
    assert first["settings"]["strategy"] == "full"
    assert {"python", "greenfinch", "llama_cpp_python"} <= set(first["versions"])
    assert others == [TESTED, OUTCOME]


def test_each_line_is_there_as_soon_as_it_is_written() -> None:
    recorder = Recorder(record.new_run_id())
    recorder.write({"event": "stage_started"})
    assert json.loads(recorder.path.read_text()) == {"event": "stage_started"}
    recorder.close()


def test_run_names_sort_in_the_order_of_time() -> None:
    names = [record.new_run_id() for _ in range(100)]
    assert [name[:22] for name in names] == sorted(name[:22] for name in names)
    assert len(set(names)) == 100


@pytest.mark.skipif(os.name != "posix", reason="modes are a matter of POSIX")
def test_only_its_user_can_read_a_record(folder: Path) -> None:
    path = write(record.new_run_id())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_secrets_of_the_environment_are_never_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789")
    monkeypatch.setenv("MY_LETTERS", "open sesame")
    monkeypatch.setenv("GIT_KEY_COUNT", "1")
    recorder = Recorder(record.new_run_id(), secret_variables=["MY_LETTERS"])
    recorder.write({"text": "x = 'hf_0123456789'  # 1 open sesame", "hf_0123456789": [Path("/a/hf_0123456789")]})
    recorder.close()
    assert json.loads(recorder.path.read_text()) == {
        "text": "x = '[HF_TOKEN]'  # 1 [MY_LETTERS]",
        "[HF_TOKEN]": ["/a/[HF_TOKEN]"],
    }


def test_the_home_folder_and_passwords_in_urls_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/al")
    redact = Redactor({})
    assert redact("/home/al/x.py /home/alice/y.py /mnt/home/al /home/al") == "~/x.py /home/alice/y.py /mnt/home/al ~"
    assert redact("http://al:secret@box:8000/v1") == "http://[password]@box:8000/v1"
    assert redact({"n": 3, "none": None, "ok": True}) == {"n": 3, "none": None, "ok": True}


def test_text_that_is_no_unicode_can_be_recorded() -> None:
    run = record.new_run_id()
    write(run, {"event": "candidate_text", "text": "\ud800"})
    assert record.load_run(run)[-1]["text"] == "\ud800"


def test_a_folder_that_cannot_be_made_ends_the_recording_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GREENFINCH_RUNS", str(tmp_path / "file" / "runs"))
    with Recorder(record.new_run_id()) as recorder:
        recorder.write(OUTCOME)
    assert "not recorded" in recorder.warning and "Not a directory" in recorder.warning


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_ends_the_recording_not_the_run(folder: Path) -> None:
    recorder = Recorder(record.new_run_id())
    full = os.open("/dev/full", os.O_WRONLY)
    assert recorder._descriptor is not None
    os.dup2(full, recorder._descriptor)
    os.close(full)
    recorder.write(OUTCOME)
    recorder.write(OUTCOME)
    assert "No space left on device" in recorder.warning


def test_a_record_that_grows_too_large_stops_at_a_whole_line() -> None:
    with Recorder(record.new_run_id(), limit=1000) as recorder:
        for _ in range(20):
            recorder.write({"text": "x" * 90})
    assert "beyond 1,000 bytes" in recorder.warning
    assert len([json.loads(line) for line in recorder.path.read_text().splitlines()]) == 9


def test_the_oldest_records_make_room_and_other_files_stay(folder: Path) -> None:
    names = [f"2026010{day}-000000-000000-aaaa" for day in range(1, 6)]
    folder.mkdir(parents=True)
    for name in (*names, "notes"):
        (folder / f"{name}.jsonl").write_text("x" * 300)
    Recorder("20260106-000000-000000-aaaa", limit=1000).close()
    left = sorted(path.stem for path in folder.iterdir())
    assert left == [*names[2:], "20260106-000000-000000-aaaa", "notes"]


def test_runs_are_listed_newest_first_with_their_result() -> None:
    write("20260101-000000-000000-aaaa", OUTCOME | {"passed": True, "proof": PROOF})
    write("20260102-000000-000000-aaaa", OUTCOME | {"passed": False, "reason": "No candidate passed."})
    write("20260103-000000-000000-aaaa", {"event": "run_started", "text": "long " * 50_000})
    assert [(found.run[:8], found.passed, found.result) for found in record.list_runs()] == [
        ("20260103", None, "no outcome"),
        ("20260102", False, "No candidate passed."),
        ("20260101", True, PROOF),
    ]
    assert record.list_runs()[0].target == "/project/s.py:slugify"


def test_a_refused_and_a_cancelled_run_say_so() -> None:
    refusal = {"event": "error", "what": "No test reaches slugify.", "remedy": "Write one."}
    write("20260101-000000-000000-aaaa", refusal)
    write("20260102-000000-000000-aaaa", {"event": "run_started"}, {"event": "cancelled"})
    assert [(found.passed, found.result) for found in record.list_runs()] == [
        (None, "cancelled"),
        (None, "refused: No test reaches slugify."),
    ]
    assert "refused: No test reaches slugify." in CliRunner().invoke(runs, ["list"]).stdout
    refused = CliRunner().invoke(runs, ["show", "20260101"]).stdout
    assert refused.endswith("refused: No test reaches slugify.\n         Write one.\n")
    assert CliRunner().invoke(runs, ["show", "20260102"]).stdout.endswith("cancelled\n")


def test_the_list_shows_the_newest_unless_all_are_wanted() -> None:
    for minute in range(25):
        write(f"20260101-00{minute:02}00-000000-aaaa")
    shown = CliRunner().invoke(runs, ["list"]).stdout.splitlines()
    assert [line[:13] for line in shown] == [f"20260101-00{minute:02}" for minute in range(24, 4, -1)]
    assert len(CliRunner().invoke(runs, ["list", "--limit", "3"]).stdout.splitlines()) == 3
    assert len(CliRunner().invoke(runs, ["list", "--limit", "0", "--json"]).stdout.splitlines()) == 25


def test_a_long_last_line_is_found() -> None:
    write(record.new_run_id(), TESTED, OUTCOME | {"passed": True, "proof": PROOF, "edit": "+x\n" * 100_000})
    assert record.list_runs()[0].result == PROOF


def test_a_line_that_was_cut_short_ends_the_record_before_it() -> None:
    path = write("20260101-000000-000000-aaaa", TESTED)
    with path.open("a") as file:
        file.write('{"event": "outc')
    assert [event["event"] for event in record.load_run("last")] == ["record", "candidate_tested"]
    assert record.list_runs()[0].passed is None


def test_a_run_is_named_by_a_beginning_or_as_the_last() -> None:
    write("20260101-000000-000000-aaaa")
    write("20260102-000000-000000-aaaa")
    assert record.load_run("20260101")[0]["run"] == "20260101-000000-000000-aaaa"
    assert record.load_run("last")[0]["run"] == "20260102-000000-000000-aaaa"
    for wrong in ("2026", "1999"):
        with pytest.raises(GreenfinchError, match="runs list"):
            record.load_run(wrong)


def test_show_tells_of_the_target_the_judge_the_candidates_and_the_proof() -> None:
    judge = {"event": "judge_found", "tests": 2, "failing": 2, "files": ["tests/test_s.py"], "framework": "pytest"}
    judge |= {"python": "/venv/bin/python", "sandbox": "full", "blocked": {"test_c": "parse"}, "excluded": {}}
    write(
        "20260101-000000-000000-aaaa",
        judge,
        {"event": "model_ready", "info": {"model": "qwen2.5-coder-0.5b", "where": "this machine"}},
        {"event": "candidate_started", "number": 1, "origin": "greedy", "parent": None},
        {"event": "candidate_started", "number": 2, "origin": "repaired", "parent": 1},
        TESTED | {"number": 1, "passed": False, "tests_passed": 1, "message": FAILURE["message"]},
        TESTED | {"number": 2, "passed": True, "tests_passed": 2, "message": ""},
        OUTCOME | {"passed": True, "proof": PROOF, "edit": DIFF, "best": None},
    )
    shown = CliRunner().invoke(runs, ["show", "last"]).stdout
    assert "target   /project/s.py:slugify" in shown
    assert "judge    2 tests, 2 failing before, in tests/test_s.py" in shown
    assert "left out: test_c (parse)" in shown
    assert "model    qwen2.5-coder-0.5b, this machine" in shown
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "1 greedy 40 tokens 1/2 tests, 0.4 s: AssertionError: assert 'a b' == 'a-b'" in lines
    assert "2 repaired from 1 40 tokens 2/2 tests, 0.4 s" in lines
    assert f"proof    {PROOF}" in shown
    assert shown.endswith(DIFF)


def test_show_tells_of_the_best_attempt_where_nothing_passed() -> None:
    best = {"number": 1, "tests_passed": 1, "tests_total": 2, "diff": DIFF, "failure": FAILURE}
    rejected = {"event": "candidate_rejected", "number": 1, "reason": "it does not parse", "tokens": 9}
    outcome = OUTCOME | {"passed": False, "reason": "8 candidates, none passed.", "edit": None, "best": best}
    write("20260101-000000-000000-aaaa", rejected, outcome)
    shown = CliRunner().invoke(runs, ["show", "20260101"]).stdout
    assert "rejected: it does not parse" in shown
    assert "reason   8 candidates, none passed." in shown
    assert "best     candidate 1: 1/2 tests" in shown and str(FAILURE["message"]) in shown
    assert shown.endswith(DIFF)


def test_the_list_and_the_record_come_as_json_lines() -> None:
    write("20260101-000000-000000-aaaa", OUTCOME | {"passed": True, "proof": PROOF})
    (line,) = CliRunner().invoke(runs, ["list", "--json"]).stdout.splitlines()
    assert json.loads(line)["passed"] is True
    shown = [json.loads(line) for line in CliRunner().invoke(runs, ["show", "last", "--json"]).stdout.splitlines()]
    assert [event["event"] for event in shown] == ["record", "outcome"]
