"""Other quantizations and fewer layers, by llama.cpp's own quantizer, from the real small model."""

import json
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from engine.bench.optimising import page
from engine.bench.variants import Recipe, Row, recipes
from engine.errors import ModelError
from engine.machine.gguf import read_header
from engine.models.quantise import COPY, deep_layers, quantise, source_type


def test_layers_to_leave_out_are_deep_ones_before_the_last(small_model: Path) -> None:
    assert source_type(small_model) == "Q4_K_M"
    assert deep_layers(small_model, 2) == (21, 22)
    for count in (0, 23, 99):
        with pytest.raises(ModelError, match="of 24"):
            deep_layers(small_model, count)


def test_the_source_is_the_first_variant_and_prunings_copy_the_tensors(small_model: Path) -> None:
    names = [(recipe.name, recipe.kind) for recipe in recipes(small_model, ["Q8_0"], [1, 3])]
    assert names == [("source (Q4_K_M)", ""), ("Q8_0", "Q8_0"), ("1 layer pruned", COPY), ("3 layers pruned", COPY)]


def test_a_type_that_cannot_be_made_says_why_and_leaves_nothing(small_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="importance matrix"):
        quantise(small_model, tmp_path / "a.gguf", "IQ2_XXS")
    with pytest.raises(ModelError, match="there is no type 'Q9'"):
        quantise(small_model, tmp_path / "a.gguf", "Q9")
    assert list(tmp_path.iterdir()) == []


def test_types_that_need_an_importance_matrix_have_one_and_others_may(small_model: Path) -> None:
    found = recipes(small_model, ["Q2_K", "Q2_K+imatrix", "IQ3_XXS"], [])[1:]
    assert [(recipe.name, recipe.kind, recipe.importance) for recipe in found] == [
        ("Q2_K", "Q2_K", False),
        ("Q2_K+imatrix", "Q2_K", True),
        ("IQ3_XXS", "IQ3_XXS", True),
    ]


@pytest.mark.slow
def test_importance_is_read_from_the_model_and_lets_the_smallest_types_be_made(
    small_model: Path, tmp_path: Path
) -> None:
    found, target, text = tmp_path / "importance.npz", tmp_path / "small.gguf", tmp_path / "text.py"
    text.write_text("def scale(values, factor):\n    return [value * factor for value in values]\n")
    command = [sys.executable, "-P", "-m", "engine.bench.importance", "--model", str(small_model), "--text", str(text)]
    command += ["--windows", "1", "--threads", "1", "--out", str(found)]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert 10 < told["tokens"] < 40 and told["matrices"] == 24 * 7
    with numpy.load(found) as importance:
        query, key = importance["blk.0.attn_q.weight"], importance["blk.0.attn_k.weight"]
        assert query.shape == (896,) and importance["blk.5.ffn_down.weight"].shape == (4864,)
        assert (query == key).all(), "they have the same inputs"
        assert all((importance[name] >= 0).all() and importance[name].any() for name in importance.files)
    quantise(small_model, target, "IQ2_XXS", importance=found, threads=2)
    assert target.stat().st_size < small_model.stat().st_size


@pytest.mark.slow
def test_pruned_and_quantised_files_are_smaller_models_that_load(small_model: Path, tmp_path: Path) -> None:
    pruned, small = tmp_path / "pruned.gguf", tmp_path / "small.gguf"
    quantise(small_model, pruned, COPY, pruned=(21, 22))
    assert read_header(pruned).number("{}.block_count") == 22
    quantise(pruned, small, "Q2_K", threads=2)
    assert small.stat().st_size < pruned.stat().st_size < small_model.stat().st_size
    from engine.bench.perplexity import perplexity
    from engine.host.backend import Backend

    tokens, found = [], []
    for path in (small_model, pruned):
        backend = Backend(path, context_tokens=512, threads=2, sequences=1)
        tokens = tokens or backend.tokenize(Path(__file__).read_text("utf-8") * 2)
        found.append(perplexity(backend, tokens, 1))
        backend.close()
    assert [scored for _, scored in found] == [256, 256]
    assert 1 < found[0][0] < found[1][0], "leaving layers out makes the text more of a surprise"


def test_the_report_compares_with_the_source_and_never_calls_a_variant_better_than_it() -> None:
    from engine.bench.results import Machine

    source = Row(Recipe("source (Q4_K_M)"), 400_000_000, {1: 40.0, 4: 60.0}, 10.0, 256)
    pruned = Row(Recipe("2 layers pruned", COPY, (21, 22)), 360_000_000, {1: 44.0, 4: 75.0}, 25.0, 256)
    machine = Machine("CPU", 2, 8.0, "Linux", "3.11", "0.3", "small", 400, 2, 0.1)
    text = page(machine, [source, pruned], text="a.py", problems="", command="greenfinch models optimise small")
    assert "| source (Q4_K_M) | 400 | 40.0 | 60.0 | 10 |" in text
    assert "| 2 layers pruned (layers 21 to 22) | 360 | 44.0 | 75.0 | 25 |" in text
    speeds = "110% of the speed (N=1), 125% of the speed (N=4)"
    assert f"- 2 layers pruned: 90% of the size, {speeds}, 2.50 times the perplexity." in text
    assert "no row can be better than source (Q4_K_M)" in text
