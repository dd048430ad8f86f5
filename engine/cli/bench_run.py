"""`greenfinch bench run` and `bench simulate`: problem sets through strategies, with a model or without."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

import anyio
import attrs
import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from engine.bench import plots, pool, replays
from engine.bench.journal import Journal
from engine.bench.policies import EVERYTHING, FIXED, left_out, policy_named, split
from engine.bench.runner import DECISIVE, TURN, Result, Summary, is_right, run_problems, summarise
from engine.bench.simulate import Machine
from engine.bench.sources import HUMANEVAL, problems_of
from engine.bench.statistics import Interval
from engine.bench.whole import WholeReplies
from engine.cli.main import PASSED
from engine.config import STRATEGIES, Settings
from engine.errors import GreenfinchError
from engine.generation.base import Generator
from engine.models import store
from engine.search import WIDTH
from engine.wording import counted

# What the system that this one is measured against says of itself: of each task that it was given, solved or not.
_PUBLISHED = (
    ("published: 14B, consumer card", "0.004 USD/task", "claimed"),
    ("its GPU alone", "0.0016 USD/task", "by its own traces"),
)
_MODELS = ("model", "endpoint", "endpoints", "larger_model")
_MACHINE = ("threads", "python", "cpu_watts", "gpu_watts")
_UNBOUNDED = 1000  # candidates and seconds of a problem whose pool is recorded, unless they are given


@click.command("run")
@click.option("--problems", required=True, metavar="FILE|DIR|humaneval",
              help=f"Problem set: JSON Lines (may be gzipped), a folder of exercises, or `{HUMANEVAL}`.")  # fmt: skip
@click.option("--strategy", default="full", metavar="A,B",
              help=f"Of {', '.join(STRATEGIES)}; full(repairs=0;passers=1) changes parts of one, `full without "
              f"related+tests` leaves parts of its prompt out; {EVERYTHING} goes on after a pass, to record a pool.",
              )  # fmt: skip
@click.option("--model", help="Model to use.")
@click.option("--seconds", type=click.FloatRange(min=1), help="Budget of one problem.")
@click.option("--candidates", type=click.IntRange(min=1), help="Candidates of one problem, at most.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, help="Repeat with so many seeds.")
@click.option("--first-seed", type=click.IntRange(min=0), default=0, help="The first of them.")
@click.option("--skip", type=click.IntRange(min=0), default=0, help="Not the first so many problems.")
@click.option("--limit", type=click.IntRange(min=1), help="Only so many problems.")
@click.option("--python", help="Python that runs the tests; Greenfinch's own by default.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
              help="Folder for results and pool; what it already holds is not run again.")  # fmt: skip
@click.option("--whole-replies", "whole", is_flag=True,
              help="Let replies end by themselves, and count what ending them with their function saves.")  # fmt: skip
@click.option("--plots", "draw", is_flag=True, help="Draw what was solved, over time and samples, into --out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a problem, then one a summary.")
def run(
    problems: str,
    strategy: str,
    model: str | None,
    seconds: float | None,
    candidates: int | None,
    seeds: int,
    first_seed: int,
    skip: int,
    limit: int | None,
    python: str | None,
    out: Path | None,
    whole: bool,
    draw: bool,
    as_json: bool,
) -> None:
    """Run problems through strategies: solved by the visible tests, and truly, by hidden ones kept from the run."""
    strategies = split(strategy)
    for name in strategies:
        policy_named(name)
        left_out(name)
    recording = any(name.startswith(EVERYTHING) for name in strategies)
    if draw and out is None:
        raise click.UsageError("--plots needs --out.")
    options = {
        "model": model,
        "budget_seconds": seconds or (float(_UNBOUNDED) if recording else None),
        "candidates": candidates or (_UNBOUNDED if recording else None),
        "python": python or sys.executable,
    }
    settings = Settings.load().updated(options, source="command line")
    chosen = problems_of(problems)[skip:][:limit]
    journal = Journal(out, Result)
    asked_of = {name: getattr(settings, name) for name in (*_MODELS, *DECISIVE, *_MACHINE)}
    journal.stands_for(asked_of | {"model": _model(settings), "whole_replies": whole})
    digests = {problem.id: problem.digest for problem in chosen}
    results = [r for r in journal.earlier() if r.digest in ("", digests.get(r.id, ""))]  # not of what was changed
    done = frozenset((result.id, result.strategy, result.seed) for result in results)
    console = Console(stderr=as_json, highlight=False, markup=False)  # a test's name may look like markup
    wanted = [
        (p.id, name, seed) for p in chosen for name in strategies for seed in range(first_seed, first_seed + seeds)
    ]
    with _progress(console) as progress:
        task = progress.add_task("problems", total=len(wanted), completed=sum(each in done for each in wanted))

        def report(result: Result, recorded: pool.RecordedRun | None) -> None:
            results.append(result)
            if out is not None and recorded is not None:
                pool.append(recorded, out)
            line = journal.line(result) if result.failed else journal.add(result)  # to be tried again
            if as_json:
                print(line, flush=True)
            else:
                mark = "solved" if result.solved else f"not solved: {result.reason}"
                progress.print(f"{result.id} {result.strategy} seed {result.seed}: {mark} ({result.seconds:.1f} s)")
            progress.advance(task)

        seeds_ = range(first_seed, first_seed + seeds)
        asking: list[WholeReplies] = []

        def wrapped(generator: Generator) -> Generator:
            if not whole:
                return generator
            asking.append(WholeReplies(generator))
            return asking[0]

        anyio.run(partial(run_problems, chosen, strategies, settings, seeds_, report, done=done, wrapped=wrapped))
    asked = set(wanted)
    results = [result for result in results if (result.id, result.strategy, result.seed) in asked]
    summaries = summarise(
        results,
        budget_seconds=settings.budget_seconds,
        price_per_kwh=settings.price_per_kwh,
        currency=settings.currency,
    )
    if out is not None:
        (out / "summary.json").write_text(json.dumps([attrs.asdict(each) for each in summaries], indent=1), "utf-8")
    if draw and out is not None:
        draw_results(results, out)
    if as_json:
        for summary in summaries:
            print(json.dumps({"summary": True, **attrs.asdict(summary)}), flush=True)
    else:
        console.print(table(summaries))
        console.print(electricity(summaries))
        if len(strategies) > 1 and len(chosen) < TURN:
            console.print(f"With fewer than {TURN} problems strategies find prompts read by the one before them.")
        for note in remarks(summaries):
            console.print(note)
    for each in asking:
        saved = f"{1 - each.read / each.whole:.0%}" if each.whole else "none"
        console.print(
            f"Functions were complete after {each.read} of {each.whole} tokens of their replies: {saved} saved."
        )
    sys.exit(PASSED)


@click.command("simulate")
@click.argument("recorded", metavar="POOL", type=click.Path(exists=True, path_type=Path))
@click.option("--policy", metavar="A,B", help="Policies to compare with `full`; a set of fixed ones by default.")
@click.option("--seconds", type=click.FloatRange(min=1), default=60.0, help="Budget of one problem.")
@click.option("--candidates", type=click.IntRange(min=1), default=Machine().limit,
              help="Candidates of one problem, at most.")  # fmt: skip
@click.option("--draws", type=click.IntRange(min=1), default=10, help="Replays of each recorded run.")
@click.option("--tokens", type=click.FloatRange(min=0.1), default=Machine().tokens, help="A second, of one candidate.")
@click.option("--reading", type=click.FloatRange(min=1), default=Machine().reading, help="Prompt tokens a second.")
@click.option("--plots", "draw", type=click.Path(file_okay=False, path_type=Path), help="Folder for plots.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a policy, then one of the comparison.")
def simulate(
    recorded: Path,
    policy: str | None,
    seconds: float,
    candidates: int,
    draws: int,
    tokens: float,
    reading: float,
    draw: Path | None,
    as_json: bool,
) -> None:
    """Replay policies over a recorded pool, without a model, and compare them with the best fixed one in hindsight."""
    names = list(dict.fromkeys([replays.FULL, *(split(policy) if policy else FIXED)]))
    runs = [run for run in pool.load(recorded) if run.strategy.startswith(EVERYTHING)] or pool.load(recorded)
    machine = Machine(tokens=tokens, reading=reading, seconds=seconds, limit=candidates)
    console = Console(stderr=as_json, highlight=False)
    with _progress(console) as progress:
        task = progress.add_task(
            "replays", total=draws * sum(len(replays.fitting(runs, name) or runs) for name in names)
        )
        found = replays.compare(runs, names, machine, draws, lambda: progress.advance(task))
    if draw is not None:
        draw.mkdir(parents=True, exist_ok=True)
        by_time = {name: list(replays.points(each, "seconds")) for name, each in found.replayed.items()}
        plots.curves(by_time, "seconds (modelled)", f"{len(runs)} recorded runs, replayed", draw / "time.png")
        by_count = {name: list(replays.points(each, "candidates")) for name, each in found.replayed.items()}
        plots.curves(by_count, "candidates", f"{len(runs)} recorded runs, replayed", draw / "samples.png")
    if as_json:
        for standing in found.standings:
            print(json.dumps(attrs.asdict(standing)))
        about = {"best": found.best, "runs": len(runs), "draws": draws, "otherwise": found.otherwise,
                 "runs_per_minute": round(found.runs_per_minute)}  # fmt: skip
        print(json.dumps({"comparison": True, **about, "machine": attrs.asdict(machine)}))
        sys.exit(PASSED)
    problems = len({run.problem for run in runs})
    console.print(
        f"{len(runs)} recorded runs of {problems} problems, {counted(draws, 'replay')} each by the policies of their "
        f"manner, {found.runs_per_minute:.0f} a minute; modelled: {tokens:g} tokens/s alone, "
        f"{machine.speedup(WIDTH):g} times that for {WIDTH} at once, {reading:g} tokens/s of reading; "
        f"budget {seconds:g} s, {candidates} candidates; best fixed policy in hindsight: {found.best}"
    )
    if found.otherwise:
        console.print(
            f"replayed with samples that were drawn in another manner (comments, repetitions) than theirs, since the "
            f"pool has no others: {', '.join(found.otherwise)}"
        )
    console.print(_standings(found))
    sys.exit(PASSED)


def _model(settings: Settings) -> str:
    """What `auto` stands for, if that is here."""
    try:
        return settings.model if settings.servers else store.resolve(settings.model).name
    except GreenfinchError:  # the bench will say it, when it needs the model
        return settings.model


def draw_results(results: Sequence[Result], out: Path) -> None:
    """`time.png` and `samples.png` in `out`."""
    names = list(dict.fromkeys(result.strategy for result in results))
    title = "solved truly" if any(result.true_solved is not None for result in results) else "solved"
    for what, label in (("seconds", "seconds"), ("candidates", "samples")):
        points = {
            name: [(float(getattr(r, what)), is_right(r)) for r in results if r.strategy == name] for name in names
        }
        file = out / ("time.png" if what == "seconds" else "samples.png")
        plots.curves(points, label, f"{len(results)} runs, {title}", file)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def table(summaries: Sequence[Summary]) -> Table:
    """Strategies side by side."""
    shown = Table("strategy", "runs", "solved", "truly", "false passes", "in doubt (false)", "s/run", "s/true",
                  "tokens/true", "candidates")  # fmt: skip
    for row in summaries:
        shown.add_row(
            row.strategy, str(row.runs), _share(row.solved_share), _share(row.true_share), _share(row.false_share),
            f"{row.in_doubt} ({row.false_in_doubt})", f"{row.seconds_per_problem:.1f}", _number(row.seconds_per_true),
            _number(row.tokens_per_true), str(row.candidates),
        )  # fmt: skip
    return shown


def remarks(summaries: Sequence[Summary]) -> Iterator[str]:
    """What the table does not show."""
    for row in summaries:
        if row.late:
            yield f"{row.strategy}: of its true solves {row.late} were confirmed only when the time was up."
        if row.stood_in:
            yield f"{row.strategy}: in {counted(row.stood_in, 'run')} something went on in place of what was asked for."
        if row.errors:
            runs = counted(row.errors, "run")
            yield f"{row.strategy}: {runs} ended in an error, and counted as not solved; --out tries them again."


def _standings(found: replays.Comparison) -> Table:
    shown = Table("policy", "solved", "truly", "false", "untold", "in doubt", "area", "s", "s/true", "candidates",
                  "passers", "right there", "regret", "regret of area", "full is ahead by", "missing")  # fmt: skip
    for row in sorted(found.standings, key=lambda each: -each.true.mean):
        shown.add_row(
            row.policy, _share(row.solved), _share(row.true), f"{row.false.mean:.1%}", f"{row.untold.mean:.1%}",
            f"{row.in_doubt:.1%}", f"{row.area:.3f}", f"{row.seconds:.1f}", _number(row.seconds_per_true),
            f"{row.candidates:.1f}", f"{row.passers:.1f}", f"{row.right:.0%}", f"{row.regret:+.1%}",
            f"{row.regret_area:+.3f}", _share(row.ahead), f"{row.missing:.0%}",
        )  # fmt: skip
    return shown


def electricity(summaries: Sequence[Summary]) -> Table:
    """What a true solve has cost, the runs that solved nothing included, beside what was published."""
    shown = Table("electricity", "Wh/true solve", "money/true solve", "known how", "Wh in all")
    for row in summaries:
        money = "set price_per_kwh" if not row.currency else "-"
        if row.cost_per_true is not None:
            money = f"{Decimal(f'{row.cost_per_true:.2g}'):f} {row.currency}"  # 0.000038, not 3.8e-05
        shown.add_row(row.strategy, _number(row.wh_per_true, 3), money, row.energy_label or "-", f"{row.energy_wh:.2g}")
    shown.add_section()
    for what, money, how in _PUBLISHED:
        shown.add_row(what, "-", money, how, "-")
    return shown


def _share(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.mean:.1%} [{interval.low:.0%}, {interval.high:.0%}]"


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
