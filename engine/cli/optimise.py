"""`greenfinch models optimise`: smaller files from a model, each measured: is it worth it?"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio
import click

from engine.config import STRATEGIES, Settings

KINDS = "Q8_0,Q4_0,Q3_K_M,Q2_K"
PRUNINGS = "2,4"
STAGES = ("make", "speed", "perplexity", "solves")


def _numbers(_ctx: click.Context, _parameter: click.Parameter, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(",") if number.strip())
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a list of whole numbers such as {PRUNINGS}.") from error


@click.command()
@click.argument("name")
@click.option("--types", "kinds", default=KINDS, show_default=True,
              help="Quantizations to make, with commas.  Q2_K+imatrix: with an importance matrix; IQ2_XXS and its like "
              "always have one.")  # fmt: skip
@click.option("--prune", "prunings", callback=_numbers, metavar="N,N", default=PRUNINGS, show_default=True,
              help="How many layers to leave out, with commas: one variant each.")  # fmt: skip
@click.option("--n", "at_once", type=click.IntRange(2, 32), default=4, show_default=True,
              help="Candidates decoded at once, besides one alone.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Of the speed measurement.")
@click.option("--text", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Text for the perplexity; by default a module of Python's own library.")  # fmt: skip
@click.option(
    "--windows", type=click.IntRange(min=1), default=4, show_default=True, help="Of 512 tokens, of that text."
)
@click.option("--problems", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Problem set for true solves (see `bench run`); without one they are left out.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many problems.")
@click.option("--seconds", type=click.FloatRange(min=1), help="Budget of one problem.")
@click.option("--candidates", type=click.IntRange(min=1), help="Candidates of one problem, at most.")
@click.option("--strategy", type=click.Choice(STRATEGIES), help="How they are searched.")
@click.option("--stage", "stages", type=click.Choice(STAGES), multiple=True,
              help="Only this stage; may be given several times.")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="Folder for the files and figures; what it already holds is not done again.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object a variant.")
def optimise(
    name: str, kinds: str, prunings: tuple[int, ...], at_once: int, rounds: int, text: Path | None, windows: int,
    problems: Path | None, limit: int | None, seconds: float | None, candidates: int | None, strategy: str | None,
    stages: tuple[str, ...],
    out: Path, as_json: bool,
) -> None:  # fmt: skip
    """Make smaller files from the model NAME and measure size, speed, perplexity and true solves of each.

    The report and the plot are OUT/report.md and OUT/plot.svg.  No variant is better than the file it is made from.
    """
    from engine.bench.optimising import page, plot
    from engine.bench.problems import load_problems
    from engine.bench.results import Machine
    from engine.bench.variants import TEXT, Bench, readable, recipes, summary
    from engine.machine.cpus import usable_cores
    from engine.models import store

    if "solves" in stages and problems is None:
        raise click.UsageError("--stage solves needs --problems.")
    wanted_stages = stages or STAGES
    text = text or TEXT
    if "perplexity" in wanted_stages:
        readable(text)
    options = {"budget_seconds": seconds, "candidates": candidates, "strategy": strategy, "python": sys.executable}
    settings = Settings.load().updated(options, source="command line")
    model = store.resolve(name)
    threads = settings.threads or usable_cores()
    wanted = recipes(model.path, [k for k in kinds.split(",") if k], prunings)
    bench = Bench(model, out, wanted, threads=threads, say=lambda line: click.echo(line, err=True))
    chosen = load_problems(problems)[:limit] if problems else []
    if "make" in wanted_stages:
        bench.make()
    else:
        bench.need_files()
    if "speed" in wanted_stages:
        bench.speed(at_once, rounds)
    if "perplexity" in wanted_stages:
        bench.perplexity(text, windows)
    if "solves" in wanted_stages and chosen:
        anyio.run(bench.solves, chosen, settings)
    rows = bench.shown(chosen, settings, text, windows)
    if as_json:
        for row in summary(rows):
            click.echo(json.dumps(row))
    pruned = ",".join(map(str, prunings))
    command = f"greenfinch models optimise {name} --types {kinds} --prune {pruned} --n {at_once} --rounds {rounds}"
    command += f" --windows {windows} --out OUT" + (f" --text {text.name}" if text != TEXT else "")
    set_name = problems.name.split(".")[0] if problems else ""
    if problems:
        command += f" --problems {set_name} --limit {len(chosen)} --seconds {settings.budget_seconds:g}"
        command += f" --candidates {settings.candidates} --strategy {settings.strategy}"
    report = page(
        Machine.of(model, threads), rows, text=text.name,
        problems=f"{set_name}, the first {len(chosen)}" if chosen and rows[0].results else "",
        command=command,
    )  # fmt: skip
    (out / "report.md").write_text(report, "utf-8")
    if all(row.perplexity is not None and row.tokens_per_second.get(at_once) for row in rows):
        plot(rows, out / "plot.svg", at_once)  # as a search decodes
    if not as_json:
        click.echo(report, nl=False)
