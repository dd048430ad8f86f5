"""A bench of variants that is broken off goes on where it was, and figures of other questions are not mixed in."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from engine.bench import raw
from engine.bench.problems import Problem
from engine.bench.raw import Raw
from engine.bench.runner import Result
from engine.bench.variants import Bench, Recipe
from engine.errors import ModelError
from engine.models.store import ModelFile

SOURCE, SMALL, SMALLER = Recipe("source (Q4_K_M)"), Recipe("Q3_K_M", "Q3_K_M"), Recipe("Q2_K", "Q2_K")
SOLVED = Result("a", "full", 0, True, True, False, 10.0, 100, 3, 0.03, "estimated")


@pytest.fixture
def model(tmp_path: Path) -> ModelFile:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF" + bytes(96))
    return ModelFile(file, "model", None)


def bench(model: ModelFile, *wanted: Recipe) -> Bench:
    return Bench(model, model.path.parent / "out", wanted, threads=1, say=lambda _line: None)


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
    assert all(len(variant.tokens_per_second[n]) == 2 for variant in again.variants for n in ("1", "4"))


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


def test_a_report_counts_only_the_problems_it_names(model: ModelFile) -> None:
    given = bench(model, SOURCE)
    given.variants[0].results = [SOLVED, evolve(SOLVED, id="b"), evolve(SOLVED, strategy="greedy")]
    (shown,) = given.shown([Problem("a", "m.py", "", "t.py", "")], "full")
    assert shown.results == [SOLVED]
    assert len(given.variants[0].results) == 3
