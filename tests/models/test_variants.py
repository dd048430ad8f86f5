"""A bench of variants that is broken off goes on where it was, and figures of other questions are not mixed in."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import pytest
from attrs import evolve
from click.testing import CliRunner
from click.testing import Result as Done

from engine.bench import raw, variants
from engine.bench.optimising import page
from engine.bench.problems import Problem
from engine.bench.raw import Raw
from engine.bench.results import Machine
from engine.bench.runner import Result
from engine.bench.variants import Bench, Recipe, Row, readable
from engine.cli.models import models
from engine.config import Settings
from engine.errors import ConfigError, ModelError
from engine.models.store import ModelFile

SOURCE, SMALL, SMALLER = Recipe("source (Q4_K_M)"), Recipe("Q3_K_M", "Q3_K_M"), Recipe("Q2_K", "Q2_K")
SOLVED = Result("a", "full", 0, True, True, False, 10.0, 100, 3, 0.03, "estimated")
PROBLEM = Problem("a", "m.py", "def f(): ...\n", "t.py", "def test(): ...\n")
SETTINGS = Settings()


@pytest.fixture
def model(tmp_path: Path) -> ModelFile:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF" + bytes(96))
    return ModelFile(file, "model", None)


def bench(model: ModelFile, *wanted: Recipe, threads: int = 1) -> Bench:
    return Bench(model, model.path.parent / "out", wanted, threads=threads, say=lambda _line: None)


def made(model: ModelFile, *wanted: Recipe) -> Bench:
    """With files that stand for the variants'."""
    given = bench(model, *wanted)
    for variant in given.variants:
        if variant.recipe.kind:
            given.path(variant).write_bytes(b"GGUF")
    given.make()
    return given


class Meter:
    """In place of a measurement of speed; breaks off after so many."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
        self.asked: list[str] = []
        self.most = most
        monkeypatch.setattr(raw, "measure", self)

    def __call__(self, file: Path, **_: int) -> Raw:
        if len(self.asked) == self.most:
            raise KeyboardInterrupt
        self.asked.append(file.name)
        return Raw(80.0, 30.0 + len(self.asked), 60.0, 0, 0)


def test_speed_goes_on_where_it_was_broken_off(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter(monkeypatch, most=4)
    with pytest.raises(KeyboardInterrupt):
        made(model, SOURCE, SMALL, SMALLER).speed(4, 2)
    meter.most = 100
    again = bench(model, SOURCE, SMALL, SMALLER)
    again.speed(4, 2)
    assert sorted(meter.asked) == sorted([again.path(variant).name for variant in again.variants] * 2)
    assert all(len(variant.tokens_per_second["1"][n]) == 2 for variant in again.variants for n in ("1", "4"))


def test_speeds_stand_for_the_threads_they_were_measured_with(
    model: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter(monkeypatch, most=100)
    text = tmp_path / "text"
    text.write_text("x")
    rates = []
    for threads in (1, 2, 1):
        given = bench(model, SOURCE, threads=threads)
        given.speed(4, 1)
        (row,) = given.shown([], SETTINGS, text, 1)
        rates.append(row.tokens_per_second[1])
    assert (len(meter.asked), rates) == (2, [31.0, 32.0, 31.0])
    given.variants[0].tokens_per_second["1"]["4"] = [30.0, 50.0, 40.0]
    assert given.shown([], SETTINGS, text, 1)[0].tokens_per_second[4] == 40.0, "the median"


def test_what_is_not_asked_for_this_time_is_not_forgotten(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter(monkeypatch, most=100)
    made(model, SOURCE, SMALL).speed(4, 1)
    made(model, SOURCE, SMALLER).speed(4, 1)
    bench(model, SOURCE, SMALL, SMALLER).speed(4, 1)
    assert len(meter.asked) == 3


def test_another_models_folder_is_refused(model: ModelFile) -> None:
    made(model, SOURCE)
    model.path.write_bytes(b"GGUF" + bytes(50))
    with pytest.raises(ModelError, match="another model"):
        bench(model, SOURCE)


def test_another_text_is_measured_anew(model: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [tmp_path / "a.py", tmp_path / "b.py"]
    for number, text in enumerate(texts):
        text.write_text(f"x = {number}\n")
    asked: list[tuple[str, ...]] = []

    def ask(self: Bench, module: str, variant: object, *arguments: str) -> dict[str, float]:
        asked.append(arguments)
        return {"perplexity": 5.0, "tokens": 256}

    monkeypatch.setattr(Bench, "_ask", ask)
    for text, windows in ((texts[0], 1), (texts[0], 1), (texts[1], 1), (texts[1], 2)):
        bench(model, SOURCE).perplexity(text, windows)
    assert asked == [
        ("--text", str(text), "--windows", n) for text, n in ((texts[0], "1"), (texts[1], "1"), (texts[1], "2"))
    ]


def ask_none(self: Bench, module: str, variant: object, *arguments: str) -> dict[str, float]:
    """What a text without a whole window gives."""
    return {"perplexity": math.nan, "tokens": 0}


def test_a_text_without_512_tokens_is_refused_and_nothing_is_kept_of_it(
    model: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "short.txt"
    text.write_text("word " * 200)
    readable(text)  # its tokens are counted by the model alone
    monkeypatch.setattr(Bench, "_ask", ask_none)
    with pytest.raises(ConfigError, match=r"short\.txt is too short .* 512 tokens"):
        bench(model, SOURCE).perplexity(text, 1)
    assert bench(model, SOURCE).shown([], SETTINGS, text, 1)[0].perplexity is None
    text.write_text("word " * 20)
    with pytest.raises(ConfigError, match="too short"):
        readable(text)


def test_a_report_tells_no_perplexity_of_another_text(
    model: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [tmp_path / "a.py", tmp_path / "b.py"]
    for number, text in enumerate(texts):
        text.write_text(f"x = {number}\n")
    monkeypatch.setattr(Bench, "_ask", lambda *_: {"perplexity": 5.0, "tokens": 256})
    given = bench(model, SOURCE)
    given.perplexity(texts[0], 1)
    assert [given.shown([], SETTINGS, text, 1)[0].perplexity for text in texts] == [5.0, None]


class Searching:
    """In place of the search; every problem is solved, or ends in an error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, float]] = []
        self.settings: list[Settings] = []
        self.failing = False
        monkeypatch.setattr(variants, "run_problems", self)

    async def __call__(
        self, problems: Sequence[Problem], strategies: Sequence[str], settings: Settings, seeds: Sequence[int],
        report: Callable[[Result, None], None], *, done: frozenset[tuple[str, str, int]],
    ) -> None:  # fmt: skip
        self.settings.append(settings)
        for problem in problems:
            if (problem.id, strategies[0], seeds[0]) not in done:
                self.asked.append((problem.id, settings.budget_seconds))
                told = evolve(SOLVED, id=problem.id, strategy=strategies[0], seconds=settings.budget_seconds)
                report(evolve(told, failed=True, solved=False, true_solved=False) if self.failing else told, None)


def solved(model: ModelFile, problems: Sequence[Problem], settings: Settings, text: Path, **options: int) -> Row:
    """The source's row after the stage `solves`."""
    given = bench(model, SOURCE, **options)
    anyio.run(given.solves, problems, settings)
    return given.shown(problems, settings, text, 1)[0]


def test_solves_stand_for_the_settings_that_they_were_found_with(
    model: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = Searching(monkeypatch)
    for seconds in (30.0, 120.0, 30.0):
        row = solved(model, [PROBLEM], evolve(SETTINGS, budget_seconds=seconds), model.path)
        assert [result.seconds for result in row.results] == [seconds]
    assert search.asked == [("a", 30.0), ("a", 120.0)]
    for changed in ({"candidates": 3}, {"temperature": 0.1}, {"strategy": "greedy"}, {"context_tokens": 1024}):
        solved(model, [PROBLEM], evolve(SETTINGS, **changed), model.path)  # type: ignore[arg-type] # of several types
    solved(model, [evolve(PROBLEM, test_text="def test(): assert 1\n")], SETTINGS, model.path)
    solved(model, [PROBLEM], SETTINGS, model.path, threads=2)
    assert len(search.asked) == 8
    more = [PROBLEM, evolve(PROBLEM, id="b")]
    assert len(solved(model, more, evolve(SETTINGS, budget_seconds=30.0), model.path).results) == 2
    assert search.asked[8:] == [("b", 30.0)], "what is known of the first problem holds beside a second"


def test_nothing_but_the_variant_is_asked(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    search = Searching(monkeypatch)
    own = evolve(SETTINGS, larger_model="big", endpoint="http://a", endpoints=("http://b",))
    solved(model, [PROBLEM], own, model.path)
    (used,) = search.settings
    assert (used.model, used.larger_model, used.servers) == (str(model.path), "", ())


def test_what_ended_in_an_error_is_told_and_tried_again(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    search = Searching(monkeypatch)
    search.failing = True
    row = solved(model, [PROBLEM], SETTINGS, model.path)
    assert "1 run ended in an error" in report_of(row)
    search.failing = False
    row = solved(model, [PROBLEM], SETTINGS, model.path)
    assert [result.failed for result in row.results] == [False] and len(search.asked) == 2
    assert "ended in an error" not in report_of(row)


def report_of(*rows: Row) -> str:
    machine = Machine("CPU", 2, 8.0, "Linux", "3.11", "0.3", "model", 1, 2, 0.0)
    return page(machine, rows, text="text", problems="set", command="greenfinch")


def test_a_report_names_every_way_in_which_energy_is_known() -> None:
    rows = [Row(recipe, 100, results=[evolve(SOLVED, energy_label=label)])
            for recipe, label in ((SOURCE, "measured (RAPL)"), (SMALL, "estimated"))]  # fmt: skip
    assert "Energy: estimated, measured (RAPL)." in report_of(*rows)


def test_a_folder_of_an_earlier_version_is_measured_again(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its speeds say nothing of threads, and its results nothing of settings."""
    search, meter = Searching(monkeypatch), Meter(monkeypatch, most=100)
    out = model.path.parent / "out"
    out.mkdir()
    recipe = {"name": SOURCE.name, "kind": "", "pruned": [], "importance": False}
    old = {"recipe": recipe, "size": 100, "tokens_per_second": {"1": [9.0], "4": [9.0]}, "results": [{"id": "a"}]}
    (out / "variants.json").write_text(json.dumps([old]))
    bench(model, SOURCE).speed(4, 1)
    solved(model, [PROBLEM], SETTINGS, model.path)
    assert (len(meter.asked), len(search.asked)) == (1, 1)


def optimise(model: Path, *arguments: str) -> Done:
    command = ["optimise", str(model), "--types", "Q2_K", "--prune", "", "--out", str(model.parent / "out")]
    return CliRunner().invoke(models, [*command, *arguments])


def test_mistakes_on_the_command_line_are_told_as_such(model: ModelFile, tmp_path: Path) -> None:
    for arguments, told in ((("--stage", "perplexit"), "'perplexit' is not one of"),
                            (("--stage", "solves"), "needs --problems"),
                            (("--prune", "two"), "not a list of whole numbers")):  # fmt: skip
        done = optimise(model.path, *arguments)
        assert done.exit_code == 2 and told in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("stage", ["speed", "perplexity"])
def test_a_stage_before_its_files_are_made_says_which_comes_first(
    model: ModelFile, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(variants, "source_type", lambda _model: "Q4_K_M")
    error = optimise(model.path, "--stage", stage).exception
    assert isinstance(error, ConfigError)
    assert "no file of Q2_K yet" in error.what and "make" in error.remedy


def test_a_damaged_model_is_an_error_for_the_user(model: ModelFile) -> None:
    error = optimise(model.path).exception
    assert isinstance(error, ModelError)
    assert "model.gguf" in error.what and error.remedy
