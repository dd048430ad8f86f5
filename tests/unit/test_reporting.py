"""A run's page: all that its record tells, in one file that fetches nothing and runs nothing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from engine import record
from engine.cli.runs import runs
from engine.config import Settings
from engine.errors import GreenfinchError
from engine.record import Recorder
from engine.reporting import read_story, render
from engine.reporting.timeline import timeline

A, B = "tests/test_s.py::test_a", "tests/test_s.py::test_b"
EVIL = "<script>alert('&')</script>"
DIFF = "--- a/s.py\n+++ b/s.py\n@@ -1 +1 @@\n-    ...\n+    return text\n"
OUTCOME = {
    "event": "outcome", "passed": True, "tests_passed": 2, "tests_total": 2, "candidates": 3, "seconds": 9.0,
    "tokens": 90, "energy_wh": 0.04, "energy_label": "estimated", "proof": "slugify: 2/2 tests pass", "winner": 3,
    "energy_phases": {"prompt": 0.01, "decode": 0.02, "tests": 0.01}, "cost": 0.000012, "currency": "EUR",
    "edit": DIFF, "decided_by": "split", "overfit_suspect": "", "reason": "",
}  # fmt: skip


def result(test: str, outcome: str, message: str = "") -> dict[str, Any]:
    return {"id": test, "outcome": outcome, "message": message, "detail": f"E   {message}" if message else ""}


def lines(outcome: dict[str, Any] = OUTCOME) -> list[dict[str, Any]]:
    """A run: a failure, a rejection, a repair that wins."""
    target = {"path": "/project/src/s.py", "qualname": "slugify", "kind": "function", "root": "/project"}
    first = record.header("20260101-000000-000000-aaaa", settings=Settings(), target=target, texts={})
    tested = {"event": "candidate_tested", "tests_total": 2, "best": 2, "tried": 1}
    return [
        first,
        {"event": "run_started", "seconds": 0.0, "run": "20260101-000000-000000-aaaa", "target": "slugify",
         "path": "/project/src/s.py", "strategy": "full", "budget_seconds": 120.0},
        {"event": "model_ready", "seconds": 0.5, "info": {"model": "tiny", "where": "this machine (llama.cpp, CPU)"}},
        {"event": "judge_found", "seconds": 0.7, "tests": 2, "failing": 2, "files": ["tests/test_s.py"],
         "framework": "pytest", "python": "3.11", "sandbox": "full", "blocked": {"test_c": "parse"}, "excluded": {}},
        {"event": "stage_started", "seconds": 1.0, "stage": "search", "message": ""},
        {"event": "candidate_started", "seconds": 1.0, "number": 1, "origin": "greedy", "parent": None},
        {"event": "candidate_text", "seconds": 2.0, "number": 1, "bodies": {"slugify": "return title.lower()\n"}},
        {"event": "verdict", "seconds": 3.0, "number": 1,
         "results": [result(A, "passed"), result(B, "failed", EVIL)], "output": "", "reason": ""},
        {**tested, "seconds": 0.5, "number": 1, "passed": False, "tests_passed": 1, "message": EVIL, "tokens": 40},
        {"event": "candidate_started", "seconds": 3.0, "number": 2, "origin": "sampled", "parent": None},
        {"event": "candidate_rejected", "seconds": 4.0, "number": 2, "reason": "it does not parse", "tokens": 10},
        {"event": "candidate_started", "seconds": 4.0, "number": 3, "origin": "repaired", "parent": 1},
        {"event": "candidate_text", "seconds": 5.0, "number": 3, "bodies": {"slugify": "return title.strip()\n"}},
        {"event": "verdict", "seconds": 6.0, "number": 3,
         "results": [result(A, "passed"), result(B, "passed")], "output": "", "reason": ""},
        {**tested, "seconds": 0.5, "number": 3, "passed": True, "tests_passed": 2, "message": "", "tokens": 40},
        {"event": "stage_started", "seconds": 6.0, "stage": "confirm", "message": ""},
        outcome,
    ]  # fmt: skip


class Page(HTMLParser):
    """Its elements with their attributes, and its text; raises where tags do not close in order."""

    EMPTY = frozenset({"meta", "line", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def bars(page: Page) -> list[tuple[str, float]]:
    return [(a["class"] or "", float(a["width"] or 0)) for tag, a in page.elements if tag == "rect"]


def test_the_story_knows_what_each_candidate_did_and_when() -> None:
    story = read_story(lines())
    first, second, third = story.candidates
    assert (first.began, first.sampled, first.tested, first.status, first.how) == (1.0, 2.0, 3.0, "failed", "greedy")
    assert (second.status, second.reason, second.sampled) == ("rejected", "it does not parse", 4.0)
    assert (third.status, third.how) == ("passed", "repair of 1")
    assert story.tests == [A, B] and first.results[B] == ("failed", EVIL)
    assert (story.path, story.judged, story.confirming, story.seconds) == ("src/s.py", 1.0, 6.0, 9.0)


def test_the_page_tells_the_winner_why_and_what_it_took() -> None:
    page = Page(render(read_story(lines())))
    for words in ("The winner: candidate 3", "in two sandboxes", "slugify: 2/2 tests pass", "9.0 s", "0.04 Wh",
                  "energy, estimated", "1.2e-05 EUR", "tests 0.01 Wh (25%)", "10 W a busy core",
                  "test_c (parse)", "tiny, this machine", "it does not parse", "+    return text"):  # fmt: skip
        assert words in page.text, words
    assert [element["class"] for _, element in page.elements if "add" in (element.get("class") or "")]


def test_the_page_says_why_to_look_at_the_winner_again() -> None:
    assert "In doubt" not in Page(render(read_story(lines()))).text
    doubted = Page(render(read_story(lines({**OUTCOME, "doubt": "no other candidate agrees with it"}))))
    assert "In doubt: no other candidate agrees with it." in doubted.text


def test_the_timeline_has_a_bar_for_everything_that_took_time_in_its_length() -> None:
    found = bars(Page(render(read_story(lines()))))
    scale = 720 / 9.0
    assert [kind for kind, _ in found] == [
        "bar stage", "bar stage", "bar confirm", "bar sample", "bar wait", "bar test failed", "bar sample rejected",
        "bar sample", "bar wait", "bar test passed",
    ]  # fmt: skip
    assert [width for _, width in found[2:6]] == pytest.approx([3 * scale, scale, scale / 2, scale / 2], abs=0.1)


def test_a_confirmation_that_was_refused_and_a_second_model_do_not_move_what_was_before() -> None:
    first = lines()
    further = [
        {"event": "candidate_started", "seconds": 7.0, "number": 4, "origin": "sampled", "parent": None},
        {"event": "model_ready", "seconds": 7.5, "info": {"model": "larger", "where": "this machine"}},
    ]
    story = read_story([*first[:-1], *further, {**OUTCOME, "passed": False, "winner": None, "proof": ""}])
    assert story.confirming is None
    assert (story.model, story.model_ready) == ("tiny, then larger", 0.5)
    assert "confirming" not in timeline(story)


def test_a_search_that_went_on_after_a_confirmation_shows_that_of_the_winner() -> None:
    first = lines()
    further = [
        {"event": "decided", "seconds": 7.0, "number": 3},
        {"event": "stage_started", "seconds": 7.0, "stage": "search", "message": ""},
        {"event": "candidate_started", "seconds": 7.1, "number": 4, "origin": "sampled", "parent": None},
        {"event": "stage_started", "seconds": 8.0, "stage": "confirm", "message": ""},
        {"event": "decided", "seconds": 8.5, "number": 5},
    ]
    story = read_story([*first[:-1], *further, first[-1]])
    assert story.confirmed == {3: (6.0, 7.0), 5: (8.0, 8.5)} and story.judged == 1.0
    assert "confirming the winner: 1.0 s" in timeline(story)
    assert "candidate 4: sampled in 0.9 s" in timeline(story)  # it was dropped as the second one began


def test_the_matrix_has_a_cell_for_each_test_and_tested_candidate() -> None:
    cells = re.findall(r'class="cell[^"]*" title="candidate (\d): (\w+)', render(read_story(lines())))
    assert cells == [("1", "passed"), ("3", "passed"), ("1", "failed"), ("3", "passed")]


def test_nothing_of_the_record_becomes_markup_and_nothing_is_fetched() -> None:
    text = render(read_story(lines()))
    page = Page(text)
    assert EVIL in page.text and "<script" not in text
    assert not [e for tag, e in page.elements if tag in {"script", "link", "img", "iframe"} or {"src", "href"} & set(e)]
    assert "url(" not in text and "@import" not in text and "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text


def test_a_run_without_a_winner_shows_the_best_attempt() -> None:
    best = {"number": 1, "tests_passed": 1, "tests_total": 2, "diff": DIFF, "failure": None}
    lost = OUTCOME | {"passed": False, "winner": None, "edit": None, "proof": "", "best": best, "reason": "none passed"}
    page = Page(render(read_story(lines(lost))))
    assert "The best attempt: candidate 1" in page.text and "It was not applied." in page.text
    assert "nothing passed" in page.text and "The winner" not in page.text


@pytest.mark.parametrize("length", range(17))
def test_a_record_that_ends_anywhere_is_a_page(length: int) -> None:
    page = Page(render(read_story(lines()[:length])))
    assert "broken off" in page.text and "The winner" not in page.text


def test_a_refused_run_says_why_and_what_to_do() -> None:
    refused = [*lines()[:3], {"event": "error", "seconds": 1.0, "what": "No test reaches it.", "remedy": "Write one."}]
    page = Page(render(read_story(refused)))
    assert "No test reaches it." in page.text and "Write one." in page.text


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs in two projects of a user whose home is known."""
    monkeypatch.setenv("GREENFINCH_RUNS", str(tmp_path / "runs"))
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    for day, project in enumerate(("one", "two", "one"), 1):
        root = home / project
        root.mkdir(parents=True, exist_ok=True)
        run = f"2026010{day}-000000-000000-aaaa"
        target = {"path": root / "s.py", "qualname": "slugify", "kind": "function", "root": root}
        with Recorder(run) as recorder:
            recorder.write(record.header(run, settings=Settings(), target=target, texts={}))
            recorder.write(OUTCOME | {"passed": day != 2})
    return home


def test_report_writes_a_private_page_without_the_home_folder(kept: Path) -> None:
    done = CliRunner().invoke(runs, ["report", "last"])
    page = Path(done.stdout.strip())
    assert page == record.folder() / "20260103-000000-000000-aaaa.html"
    assert page.stat().st_mode & 0o777 == 0o600
    assert str(kept) not in page.read_text("utf-8")


def test_report_goes_where_it_is_wanted_and_comes_as_json(kept: Path, tmp_path: Path) -> None:
    CliRunner().invoke(runs, ["report", "20260101", "--out", str(tmp_path / "a.html")])
    assert "slugify" in (tmp_path / "a.html").read_text("utf-8")
    told = json.loads(CliRunner().invoke(runs, ["report", "20260101", "--json"]).stdout)
    assert (told["ending"], told["energy_wh"], told["path"]) == ("passed", 0.04, "s.py")


def test_a_page_that_cannot_be_written_is_an_error_and_leaves_nothing(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = CliRunner().invoke(runs, ["report", "last", "--out", str(tmp_path / "missing" / "a.html")]).exception
    assert isinstance(error, GreenfinchError)
    assert "a.html cannot be written: No such file or directory" in error.what and "--out" in error.remedy

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    error = CliRunner().invoke(runs, ["report", "last", "--out", str(tmp_path / "a.html")]).exception
    assert isinstance(error, GreenfinchError) and not (tmp_path / "a.html").exists()


def test_what_no_encoding_knows_is_written_as_an_escape(kept: Path, tmp_path: Path) -> None:
    told = OUTCOME | {"passed": False, "proof": "", "reason": "the test said \udcff"}
    record_file = next(record.folder().glob("20260103*"))  # as an earlier version wrote it
    record_file.write_text("\n".join(map(json.dumps, lines(told))) + "\n")
    done = CliRunner().invoke(runs, ["report", "last", "--out", str(tmp_path / "a.html")])
    assert done.exit_code == 0, done.exception
    assert r"test said \udcff" in (tmp_path / "a.html").read_text("utf-8")


def test_the_list_can_be_of_one_project_and_sums_up(kept: Path) -> None:
    done = CliRunner().invoke(runs, ["list", "--project", str(kept / "one")])
    assert [line[:8] for line in done.stdout.splitlines()] == ["20260103", "20260101"]
    everything = CliRunner().invoke(runs, ["list"])
    assert len(everything.stdout.splitlines()) == 3
    total = "3 runs with an outcome, 2 passed: 0.12 Wh (estimated), 0.06 Wh per verified edit, 3.6e-05 EUR."
    assert everything.stderr.strip() == total


def test_a_page_goes_with_its_record(kept: Path) -> None:
    CliRunner().invoke(runs, ["report", "20260101"])
    size = (record.folder() / "20260101-000000-000000-aaaa.jsonl").stat().st_size
    Recorder("20260104-000000-000000-aaaa", limit=3 * size).close()
    assert sorted(path.name[:8] for path in record.folder().iterdir()) == ["20260102", "20260103", "20260104"]
