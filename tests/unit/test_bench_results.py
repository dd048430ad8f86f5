"""What a bench keeps and sums up: results that survive an interruption; energy and money per true solve."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner
from rich.console import Console

from engine.bench.journal import Journal
from engine.bench.problems import Problem, load_problems
from engine.bench.runner import TURN, Result, blocks_of, summarise
from engine.cli import bench_run
from engine.cli.bench_run import electricity, remarks
from engine.errors import ConfigError

SOLVED = Result("a", "full", 0, True, True, False, 10.0, 100, 3, 0.03, "estimated")
NOT = evolve(SOLVED, id="b", solved=False, true_solved=False, energy_wh=0.09, reason="none passed")
WRONG = evolve(SOLVED, id="c", true_solved=False, false_pass=True, energy_wh=0.0)


def test_a_true_solve_pays_for_all_that_solved_nothing() -> None:
    (summary,) = summarise([SOLVED, NOT, WRONG], price_per_kwh=0.5, currency="EUR")
    assert summary.wh_per_true == pytest.approx(0.12)
    assert summary.cost_per_true == pytest.approx(0.12 / 1000 * 0.5)
    assert (summary.currency, summary.energy_label) == ("EUR", "estimated")


def test_false_passes_that_the_user_was_warned_of_are_counted() -> None:
    told = evolve(WRONG, id="d", in_doubt=True)
    (summary,) = summarise([evolve(SOLVED, in_doubt=True), NOT, WRONG, told])
    assert (summary.false_passes, summary.in_doubt, summary.false_in_doubt) == (2, 2, 1)


def test_without_a_price_or_a_true_solve_there_is_no_money() -> None:
    assert summarise([SOLVED])[0].cost_per_true is None
    (summary,) = summarise([NOT, WRONG], price_per_kwh=0.5, currency="EUR")
    assert (summary.wh_per_true, summary.cost_per_true) == (None, None)


def shown(**price: object) -> str:
    console = Console(width=140, file=io.StringIO())
    with console.capture() as captured:
        console.print(electricity(summarise([SOLVED, NOT], **price)))  # type: ignore[arg-type] # a price, its currency
    return captured.get()


def test_the_table_says_how_energy_is_known_and_what_was_published() -> None:
    lines = shown(price_per_kwh=0.32, currency="EUR").splitlines()
    ours = next(line for line in lines if "full" in line)
    assert all(cell in ours for cell in ("0.120", "0.000038 EUR", "estimated"))
    assert any("14B" in line and "0.004 USD/task" in line and "claimed" in line for line in lines)
    assert any("0.0016 USD/task" in line and "by its own traces" in line for line in lines)
    assert "set price_per_kwh" in shown()


def test_a_bench_goes_on_after_half_a_line(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    Journal(folder, Result).add(SOLVED)
    with (folder / "results.jsonl").open("a") as file:
        file.write('{"id": "b", "stra')
    journal = Journal(folder, Result)
    assert journal.earlier() == [SOLVED]
    journal.add(NOT)
    assert Journal(folder, Result).earlier() == [SOLVED, NOT]


def test_without_a_folder_nothing_is_kept() -> None:
    journal = Journal(None, Result)
    assert journal.add(SOLVED).startswith('{"id": "a"')
    assert journal.earlier() == []


def test_a_folder_holds_results_of_one_choice_of_settings(tmp_path: Path) -> None:
    Journal(tmp_path / "out", Result).stands_for({"model": "typo", "budget_seconds": 30.0})  # nothing came of that
    Journal(tmp_path / "out", Result).stands_for({"model": "a", "endpoints": (), "budget_seconds": 30.0})
    Journal(tmp_path / "out", Result).add(SOLVED)
    Journal(tmp_path / "out", Result).stands_for({"model": "a", "endpoints": (), "budget_seconds": 30.0})
    with pytest.raises(ConfigError, match=r"other settings: budget_seconds 30\.0"):
        Journal(tmp_path / "out", Result).stands_for({"model": "a", "endpoints": (), "budget_seconds": 60.0})
    Journal(None, Result).stands_for({"model": "b"})


def test_a_run_that_ended_in_an_error_is_not_solved() -> None:
    failed = evolve(NOT, id="d", failed=True, seconds=5.0)
    (summary,) = summarise([SOLVED, NOT, failed, failed])
    assert summary.true_share is not None
    assert (summary.true_share.mean, summary.errors, summary.runs) == (pytest.approx(1 / 3), 2, 4)
    assert list(remarks([summary])) == [
        "full: 2 runs ended in an error, and counted as not solved; --out tries them again."
    ]


def test_what_is_about_true_solves_is_counted_of_problems_with_hidden_tests_where_any_have() -> None:
    unknown = evolve(SOLVED, id="u", true_solved=None, seconds=1000.0, tokens=10**6, energy_wh=50.0)
    for summary in (summarise([SOLVED, WRONG, unknown])[0], summarise([SOLVED, WRONG])[0]):
        assert summary.seconds_per_true == pytest.approx(SOLVED.seconds + WRONG.seconds)
        assert summary.tokens_per_true == SOLVED.tokens + WRONG.tokens
        assert summary.wh_per_true == pytest.approx(SOLVED.energy_wh + WRONG.energy_wh)
        assert summary.false_share.mean == 0.5
    (late,) = summarise([SOLVED, unknown], budget_seconds=500)
    assert late.late == 0


def test_what_went_on_in_place_of_what_was_asked_for_is_told() -> None:
    (summary,) = summarise([SOLVED, evolve(SOLVED, id="b", went_on=("the server is away",))])
    assert list(remarks([summary])) == ["full: in 1 run something went on in place of what was asked for."]


def test_strategies_take_turns_of_so_many_problems_that_none_finds_prompts_read() -> None:
    for count in (1, 19, 20, 39, 40, 47, 100):
        problems = [Problem(str(number), "m.py", "", "t.py", "") for number in range(count)]
        blocks = blocks_of(problems)
        assert [problem for block in blocks for problem in block] == problems
        assert len(blocks) == 1 or all(len(block) >= TURN for block in blocks)


def test_a_problem_that_was_changed_is_run_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    problem = Problem("b", "m.py", "", "t.py", "")
    changed = evolve(problem, test_text="def test(): ...")
    done: list[frozenset[tuple[str, str, int]]] = []

    async def ran(problems: Sequence[Problem], *args: Any, **options: Any) -> None:
        done.append(options["done"])
        if not options["done"]:
            args[3](evolve(NOT, digest=problems[0].digest), None)

    monkeypatch.setattr(bench_run, "run_problems", ran)
    for each in (problem, problem, changed, changed):
        monkeypatch.setattr(bench_run, "problems_of", lambda _name, each=each: [each])
        found = CliRunner().invoke(bench_run.run, ["--problems", "x", "--model", "m.gguf", "--out", str(tmp_path)])
        assert found.exit_code == 0, found.exception
    assert [len(each) for each in done] == [0, 1, 0, 1]
    with pytest.raises(ConfigError, match="whole_replies"):
        settings = {**json.loads((tmp_path / "settings.json").read_text()), "whole_replies": True}
        Journal(tmp_path, Result).stands_for(settings)


def test_two_problems_of_one_name_are_refused(tmp_path: Path) -> None:
    line = json.dumps({"id": "a", "module_path": "m.py", "prompt_file_text": "", "test_file_name": "t.py",
                       "test_file_text": "", "entry_point": "f"})  # fmt: skip
    file = tmp_path / "set.jsonl"
    file.write_text(f"{line}\n")
    assert len(load_problems(file)) == 1
    file.write_text(f"{line}\n{line}\n")
    with pytest.raises(ConfigError, match="several problems 'a'"):
        load_problems(file)


def test_solves_that_came_too_late_are_told() -> None:
    (summary,) = summarise([SOLVED, evolve(SOLVED, id="b", seconds=31.0), WRONG], budget_seconds=30)
    assert summary.late == 1
    assert "1 were confirmed only" in next(remarks([summary]))


def test_reasons_are_printed_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parametrised test's name may look like markup of the terminal's library."""
    reason = "test_x[/a/b] and test_y[red] fail"

    async def ran(problems: object, *args: Any, **_: object) -> None:
        args[3](evolve(NOT, reason=reason), None)

    monkeypatch.setattr(bench_run, "problems_of", lambda _name: [Problem("b", "m.py", "", "t.py", "")])
    monkeypatch.setattr(bench_run, "run_problems", ran)
    done = CliRunner().invoke(bench_run.run, ["--problems", "x", "--model", "m.gguf"])
    assert done.exit_code == 0, done.exception
    assert f"not solved: {reason}" in " ".join(done.stdout.split())
