"""What thousands of tests become for whoever reads of them, and that nothing is lost where it is put otherwise."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from engine.events import JudgeFound, Outcome
from engine.languages import language_for
from engine.reporting import page
from engine.reporting.story import read_story
from engine.verification import strict
from engine.verification.agent import runner
from engine.verification.base import Judge, TestOutcome, TestResult, Verdict
from engine.verification.blocked import leave_out_blocked
from engine.verification.judging import Told
from engine.verification.sharing import Sharing
from engine.wording import some_of
from lsp_server.reports import Story

JUDGE = JudgeFound(
    tests=5000, failing=5000, files=tuple(f"tests/test_{n}.py" for n in range(250)), framework="pytest", python="3.12",
    sandbox="full", seconds=1.0, blocked={f"test_{n}": "other" for n in range(5000)}, excluded={},
)  # fmt: skip
LOST = Outcome(
    passed=False, tests_passed=0, tests_total=5000, candidates=1, seconds=1.0, tokens=1, energy_wh=0.0,
    energy_label="estimated", edit=None, reason="its one candidate did not pass",
)  # fmt: skip


def test_a_long_list_says_how_much_more_there_is() -> None:
    assert some_of(["a", "b"], 2) == ["a", "b"]
    assert some_of((str(n) for n in range(5000)), 2) == ["0", "1", "and 4,998 more"]


def test_a_report_of_thousands_of_tests_can_be_read() -> None:
    story = Story("slugify")
    story.add(JUDGE)
    report = story.markdown(LOST)
    assert len(report.splitlines()) < 50 and "and 4,980 more" in report and "and 230 more" in report


def test_a_page_of_thousands_of_tests_shows_those_that_tell_candidates_apart() -> None:
    def verdict(number: int, passed: int) -> dict[str, Any]:
        results = [{"id": f"test_{n}", "outcome": "passed" if n == passed else "failed"} for n in range(5000)]
        return {"event": "verdict", "number": number, "results": results}

    told = read_story([verdict(1, 4321), verdict(2, 4322)])
    shown = page.render(told)
    assert "test_4321<" in shown and "test_4322<" in shown and "4,700 more tests" in shown
    assert shown.count('<td class="id">') == 300


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """What the agent tells."""
    told = io.BytesIO()
    monkeypatch.setattr(runner, "_write", lambda _descriptor, data: told.write(data))
    return told


def reporter() -> Any:
    request = {"root": "/project", "target": "words.py"}
    return runner.Reporter(runner.Channel("key", 0), request, runner.Reach(), None)


def test_the_ids_of_a_file_come_in_lines_that_are_not_too_long_and_none_is_lost(channel: io.BytesIO) -> None:
    ids = [f"test_words.py::test[{'long ' * 100}{n}]" for n in range(5000)]
    reporter().collection("test_words.py", ids, {"slugify": None}, {})
    lines = channel.getvalue().decode().splitlines()
    assert max(map(len, lines)) < 1 << 18
    told = Told("key")
    for line in lines:
        told.feed(line)
    assert told.tests_of("test_words.py") == set(ids)
    assert {part.reached for part in told.loaded} == {("slugify",)}


def test_a_file_without_tests_is_told_once(channel: io.BytesIO) -> None:
    reporter().collection("test_words.py", [], {}, {}, "SyntaxError: no", "in full")
    (line,) = channel.getvalue().decode().splitlines()
    assert json.loads(line)["message"] == "SyntaxError: no"


def test_of_thousands_of_failures_the_first_are_told_in_full_and_the_others_in_a_line(channel: io.BytesIO) -> None:
    told, telling = Told("key"), reporter()
    for n in range(5000):
        telling.test(f"test_{n}", "failed", 0.0, {"slugify": None}, {}, runner.Failure(f"no {n}", "é" * 4000))
    assert len(channel.getvalue()) < 4 << 20
    for line in channel.getvalue().decode().splitlines():
        told.feed(line)
    details = [bool(result.detail) for result in told.tests]
    assert details == [True] * runner.MOST_DETAILED + [False] * (5000 - runner.MOST_DETAILED)
    assert [result.message for result in told.tests] == [f"no {n}" for n in range(5000)]


def test_a_repair_is_shown_a_failure_that_was_told_in_full() -> None:
    brief = TestResult("test_a", TestOutcome.FAILED, message="no")
    full = TestResult("test_b", TestOutcome.FAILED, message="no", detail="in full")
    passed = TestResult("test_c", TestOutcome.PASSED)
    missing = TestResult("test_d", TestOutcome.MISSING)
    assert Verdict(False, (passed, brief, full)).first_failure is full
    assert Verdict(False, (missing, passed, brief)).first_failure is brief
    assert Verdict(False, (passed, missing)).first_failure is missing
    assert Verdict(True, (passed,)).first_failure is None


TESTS = """import os
from words import slugify, title

def helper():
    return 1

def test_a(tmp_path):
    import json
    assert slugify("a") == "a"

class TestB:
    def test_b(self):
        assert slugify("b") == "b"
"""
WORDS = "def slugify(title):\n    raise NotImplementedError\n\n\ndef title(text):\n    raise NotImplementedError\n"


def test_the_parts_of_a_test_file_are_all_of_it_but_its_imports() -> None:
    language = language_for(Path("words.py"))
    assert language is not None
    target = language.target_named(Path("words.py"), WORDS, "slugify")
    judge = Judge("pytest", ("test_words.py::test_a",), (Path("test_words.py"),))
    sharing = Sharing(language, target, judge, WORDS, WORDS, lambda _: TESTS)
    rest, tests = sharing._parts(Path("test_words.py"))
    assert sorted(tests) == ["test_a", "test_b"]
    assert "tmp_path" in tests["test_a"] and "import" not in tests["test_a"] and "helper" in rest
    everything = re.sub(r"\s", "", rest + tests["test_a"] + tests["test_b"])
    assert sorted(everything) == sorted(re.sub(r"\s|import os|from words import slugify, title|import json", "", TESTS))


@pytest.mark.parametrize("failed, excused", [("test_a", True), ("test_b", False), ("test_a test_b", False)])
def test_a_split_run_is_excused_only_if_each_test_that_failed_reaches_into_its_process(
    failed: str, excused: bool
) -> None:
    language = language_for(Path("words.py"))
    assert language is not None
    target = language.target_named(Path("words.py"), WORDS, "slugify")
    after = WORDS.replace("raise NotImplementedError", "return title", 1)
    judge = Judge("pytest", (), (Path("test_words.py"),))

    def read(path: Path) -> str:
        return TESTS if path.name == "test_words.py" else ""

    sharing = Sharing(language, target, judge, WORDS, after, read)
    assert sharing.exceeds_data([f"test_words.py::{name}" for name in failed.split()], ()) is excused


def test_thousands_of_tests_that_another_stub_blocks_are_found_in_one_reading(tmp_path: Path) -> None:
    language = language_for(Path("words.py"))
    assert language is not None
    target = language.target_named(tmp_path / "words.py", WORDS, "slugify")
    frames = (("test_words.py", 9), ("words.py", 6))
    results = tuple(
        TestResult(f"test_{n}", TestOutcome.FAILED, message="NotImplementedError", frames=frames) for n in range(5000)
    )
    passed = TestResult("test_passed", TestOutcome.PASSED)
    tests = (*(result.id for result in results), passed.id)
    judge = Judge("pytest", tests, (tmp_path / "test_words.py",), folder=tmp_path)
    reads: list[Path] = []

    def read(path: Path) -> str:
        reads.append(path)
        return TESTS if path.name == "test_words.py" else WORDS

    left, verdict = leave_out_blocked(
        judge, Verdict(False, (*results, passed)), language, target, tmp_path, read, ["return 1"]
    )
    assert left == evolve(judge, tests=("test_passed",), blocked=dict.fromkeys(tests[:-1], "title"))
    assert verdict.passed and len(reads) == 2


def test_a_test_is_found_in_its_twin_by_each_kind_of_id() -> None:
    language = language_for(Path("words.py"))
    assert language is not None
    twin = language.twin(TESTS, ("slugify",), 1, known=False)
    assert twin.decided == {"test_a", "TestB.test_b"}
    twins = {"tests/test_words.py": twin}
    for test in ("tests/test_words.py::TestB::test_b[a::b]", "tests.test_words.TestB.test_b", "x.test_a"):
        assert strict._is_decided(test, twins)
    for test in ("tests/other.py::TestB::test_b", "tests/test_words.py::test_b", "tests.test_words.test_b"):
        assert not strict._is_decided(test, twins)
