"""What a user reads of a run in the editor, and where that is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from attrs import evolve

from engine.events import BestAttempt, Outcome
from lsp_server import reports

NOTHING_PASSED = Outcome(False, 1, 2, 8, 3.0, 90, 0.0, "", None, "none of 8 candidates passed")


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all reports."""
    monkeypatch.setattr(reports.platformdirs, "user_cache_path", lambda name: tmp_path / name)
    return tmp_path / "greenfinch" / "reports"


def test_a_summary_is_sentences() -> None:
    story = reports.Story("slugify")
    assert story.summary(NOTHING_PASSED) == "slugify: none of 8 candidates passed"
    attempt = BestAttempt(1, 1, 2, "", None)
    beside = Outcome(False, 1, 2, 8, 3.0, 90, 0.0, "", None, "none of 8 candidates passed", best=attempt)
    assert story.summary(beside) == "slugify: none of 8 candidates passed.  Best attempt: 1/2 tests."
    assert "\n\nNone of 8 candidates passed.\n\n" in story.markdown(beside)


def test_what_follows_a_proof_is_a_sentence_of_its_own() -> None:
    left = Outcome(True, 2, 2, 1, 3.0, 90, 0.0, "", None, "", proof="Box: 2/2 tests pass", untested=("count",))
    assert reports.told(left.proof, left) == "Box: 2/2 tests pass.  Left as stubs, since no test reaches them: count."
    doubted = evolve(left, untested=(), overfit_suspect="a table", doubt="no other agrees")
    assert reports.told("Box", doubted) == "Box.  Overfit suspect: a table.  In doubt: no other agrees."
    assert reports.told("Box: 2/2 tests pass", NOTHING_PASSED) == "Box: 2/2 tests pass"


def test_a_report_is_called_as_its_target_and_each_window_has_its_own(kept: Path) -> None:
    path = reports.save("Box.put", "# text")
    assert path == kept / str(os.getpid()) / "Box-put.md" and path.read_text() == "# text"


def test_the_latest_reports_are_kept_and_folders_of_windows_that_are_gone_are_not(kept: Path) -> None:
    for number in range(25):
        folder = kept / f"window-{number // 5}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.md").write_text("old")
        os.utime(folder / f"{number}.md", (number, number))
    (kept / "of-an-earlier-version.md").write_text("old")
    os.utime(kept / "of-an-earlier-version.md", (0, 0))
    assert reports.save("slugify", "new") is not None
    assert {int(path.stem) for path in kept.glob("window-*/*.md")} == set(range(6, 25))
    assert sorted(path.name for path in kept.iterdir()) == sorted(
        [str(os.getpid()), *(f"window-{number}" for number in range(1, 5))]
    )
