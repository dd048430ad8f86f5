"""What became of a model's variants, as a Markdown page and a plot of quality against speed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.bench.results import Machine
from engine.bench.variants import IMPORTANCE_TEXT, Row, energy_labels, summary
from engine.errors import ConfigError
from engine.wording import counted


def page(machine: Machine, variants: Sequence[Row], *, text: str, problems: str, command: str) -> str:
    """The report.

    Args:
        text: name of what perplexity was measured on. problems: the same of the problem set; empty: none were run.
        command: what makes it again.
    """
    return "\n".join(_lines(machine, variants, text, problems, command)) + "\n"


def _lines(machine: Machine, variants: Sequence[Row], text: str, problems: str, command: str) -> Iterator[str]:
    rows = list(summary(variants))
    first = rows[0]
    sizes = sorted(int(n) for n in first["tokens_per_second"])
    yield f"# {machine.model}: what smaller files are worth"
    yield ""
    yield f"Made by `{command}`."
    yield ""
    yield (
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_gb} GB, {machine.system}; "
        f"llama-cpp-python {machine.llama_cpp_python}, {machine.threads} threads."
    )
    yield ""
    yield (
        f"All variants were made from the first row's file.  Nothing here says how good a type is that was made from "
        f"the unquantized model: no row can be better than {first['variant']}, and a larger type only shows what its "
        f"size costs."
    )
    yield ""
    solves = [f"true solves ({problems})", "seconds", "Wh per true solve"] if problems else []
    heads = ["variant", "MB", *(f"tokens/s, N={n}" for n in sizes), "perplexity", *solves]
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(_cells(row, sizes, bool(problems)))} |"
    yield ""
    scored = variants[0].scored_tokens
    rounds = "medians of rounds in which all variants take turns" if sizes else "not measured in this run"
    yield f"Tokens per second: {rounds}.  "
    yield f"Perplexity: {text}, {scored:,} tokens." if scored else "Perplexity: not measured."
    if any(variant.recipe.importance for variant in variants):
        yield f"Importance matrix: of {first['variant']}, which read {IMPORTANCE_TEXT.name}."
    if problems:
        yield f"True solves: winners that pass hidden tests, too.  One seed, {first['problems']} problems: a difference"
        yield f"of one or two says nothing.  Energy: {energy_labels(variants)}."
        if errors := sum(row["errors"] for row in rows):
            yield f"{counted(errors, 'run')} ended in an error, and counted as not solved; tried again another time."
    yield ""
    yield from _verdicts(rows, sizes)


def _cells(row: Mapping[str, Any], sizes: Sequence[int], with_problems: bool) -> Iterator[str]:
    yield row["variant"] + (f" ({_span(row['layers_left_out'])})" if row["layers_left_out"] else "")
    yield str(row["megabytes"])
    for n in sizes:
        rate = row["tokens_per_second"].get(str(n))
        yield "-" if rate is None else f"{rate:.1f}"
    yield "-" if row["perplexity"] is None else f"{row['perplexity']:.3g}"
    if with_problems:
        yield f"{row['true_solved']} of {row['problems']}"
        yield f"{row['seconds']:.0f}"
        yield "-" if row["wh_per_true_solve"] is None else f"{row['wh_per_true_solve']:.3f}"


def _verdicts(rows: Sequence[Mapping[str, Any]], sizes: Sequence[int]) -> Iterator[str]:
    """Each variant against the source, in figures alone."""
    first = rows[0]
    for row in rows[1:]:
        parts = [f"{row['bytes'] / first['bytes']:.0%} of the size"]
        rates = ((n, row["tokens_per_second"].get(str(n)), first["tokens_per_second"].get(str(n))) for n in sizes)
        parts += [f"{own / its:.0%} of the speed (N={n})" for n, own, its in rates if own and its]
        if row["perplexity"] and first["perplexity"]:
            parts.append(f"{row['perplexity'] / first['perplexity']:.2f} times the perplexity")
        if row["problems"]:
            parts.append(f"{row['true_solved']} true solves against {first['true_solved']}")
        yield f"- {row['variant']}: {', '.join(parts)}."


def _span(layers: Sequence[int]) -> str:
    return f"layer {layers[0]}" if len(layers) == 1 else f"layers {layers[0]} to {layers[-1]}"


def plot(variants: Sequence[Row], target: Path, n: int) -> None:
    """Perplexity against tokens per second at N = `n`, as an SVG file.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ConfigError(
            "The plot needs matplotlib.", remedy="Install the extra: `pip install 'greenfinch[bench]'`."
        ) from error
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "greenfinch"  # the same figures give the same file
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    measured = [
        (rate, v.perplexity, v) for v in variants if (rate := v.tokens_per_second.get(n)) and v.perplexity is not None
    ]
    # Names of neighbours go to the left and right of their points in turn.
    for turn, (rate, perplexity, variant) in enumerate(sorted(measured, key=lambda each: each[:2])):
        kind = "tab:red" if variant.recipe.pruned else "tab:blue" if variant.recipe.kind else "black"
        axes.scatter(rate, perplexity, s=variant.size / 4e6, color=kind, alpha=0.7)
        axes.annotate(variant.recipe.name, (rate, perplexity), xytext=(9 if turn % 2 else -9, -3),
                      textcoords="offset points", fontsize=7, ha="left" if turn % 2 else "right")  # fmt: skip
    axes.set_xlabel(f"tokens per second, N={n} (further right is faster)")
    axes.set_ylabel("perplexity (further down is better)")
    axes.set_yscale("log")
    for written in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        written("{x:g}")  # 7, not 7 x 10^0
    axes.margins(0.2, 0.1)
    axes.set_title("Quality against speed; areas are file sizes", fontsize=10)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
