"""Runs problems through strategies, one after another, and says what came of each."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path

import anyio
import attrs
from attrs import frozen

from engine.bench.policies import left_out, policy_named
from engine.bench.pool import RecordedRun, from_record, solution_of
from engine.bench.problems import Problem
from engine.bench.statistics import Interval, bootstrap, by_problem
from engine.bench.truth import hidden_verdicts
from engine.config import Settings
from engine.errors import GreenfinchError
from engine.events import Outcome
from engine.generation.base import Generator
from engine.generation.factory import make_generator
from engine.languages.python import Python
from engine.record import load_run
from engine.session import Engine, ImplementRequest

DECISIVE = ("candidates", "budget_seconds", "budget_tokens", "budget_wh", "temperature", "comments", "max_tokens",
            "context_tokens", "test_timeout_seconds")  # fmt: skip
"""Settings that figures depend on, whatever the model and the strategy."""
TURN = 20
"""Problems that one strategy is given before the next one gets them; more than the prompts that the host keeps."""


@frozen
class Result:
    """One problem under one strategy and seed.

    Attributes:
        solved: a winner passed the visible tests and was confirmed.
        true_solved: the winner passes the hidden tests as well; None where there are none.
        false_pass: it does not.
        in_doubt: the user is told why to look at the winner again: nothing but few tests speaks for it, others that
            pass answer differently, or it seems to be fitted to the tests.
        seconds: of the whole run, the baseline included.
        energy_wh: watt-hours; energy_label says how they are known.
        reason: why it was not solved.
        failed: the run ended in an error.
        digest: of the problem; empty in older results.
        went_on: what went on in place of what, if something did.
    """

    id: str
    strategy: str
    seed: int
    solved: bool
    true_solved: bool | None
    false_pass: bool
    seconds: float
    tokens: int
    candidates: int
    energy_wh: float
    energy_label: str
    reason: str = ""
    in_doubt: bool = False
    failed: bool = False
    digest: str = ""
    went_on: tuple[str, ...] = ()


async def run_problems(
    problems: Iterable[Problem],
    strategies: Iterable[str],
    settings: Settings,
    seeds: Iterable[int],
    report: Callable[[Result, RecordedRun | None], None],
    *,
    done: frozenset[tuple[str, str, int]] = frozenset(),
    wrapped: Callable[[Generator], Generator] = lambda generator: generator,
) -> None:
    """Run every problem under every strategy and seed that is not `done`; `report` gets each result as it comes, and
    all candidates of the run, if it was recorded.

    Strategies take turns every so many problems: a bench that is ended early is still a comparison, and the next
    strategy does not find its prompts read already (the host keeps fewer than that).

    Args:
        strategies: names as `policy_named` and `left_out` know them.
        wrapped: what is asked for candidates in the model's place.

    Raises:
        ModelError, GenerationError: no candidate can be sampled at all.
    """
    generator = wrapped(make_generator(settings))
    larger = make_generator(attrs.evolve(settings, model=settings.larger_model)) if settings.larger_model else None
    try:
        await generator.prepare()  # a model that cannot be used ends the bench here, not once a problem
        engines = {
            name: Engine(
                settings, generator=generator, policy=policy_named(name), larger=larger, without=left_out(name)
            )
            for name in strategies
        }
        blocks = blocks_of(list(problems))
        for seed, block in product(list(seeds), blocks):
            for (strategy, engine), problem in product(engines.items(), block):
                if (problem.id, strategy, seed) not in done:
                    report(*await _run(problem, strategy, seed, engine, settings))
    finally:
        await generator.aclose()
        if larger is not None:
            await larger.aclose()


def blocks_of(problems: Sequence[Problem]) -> list[Sequence[Problem]]:
    """`TURN` problems each; what is left over goes with the last, since in a short one prompts would be known."""
    ends = [*range(TURN, len(problems) - TURN + 1, TURN), len(problems)]
    return [problems[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


async def _run(
    problem: Problem, strategy: str, seed: int, engine: Engine, settings: Settings
) -> tuple[Result, RecordedRun | None]:
    with tempfile.TemporaryDirectory(prefix="greenfinch-bench-") as name:
        folder = await anyio.Path(name).resolve()
        root = Path(folder)
        path = problem.write(root)
        outcome: Outcome | None = None
        reason, began = "", time.monotonic()
        try:
            request = ImplementRequest(root, path, target_of(problem), seed=seed)
            async with engine.implement(request) as events:
                async for event in events:
                    if isinstance(event, Outcome):
                        outcome = event
        except GreenfinchError as error:
            reason = str(error)
        if outcome is None:
            true = False if problem.hidden_test_text else None
            seconds = round(time.monotonic() - began, 3)
            return Result(
                problem.id, strategy, seed, False, true, False, seconds, 0, 0, 0.0, "", reason,
                failed=True, digest=problem.digest,
            ), None  # fmt: skip
        run = _recorded(outcome, problem, strategy, seed)
        true = None
        if problem.hidden_test_text:
            hidden = await hidden_verdicts(problem, _texts(problem, outcome, run), root, settings)
            true = hidden.pop(_WINNER, False)
            run = run.with_truth(hidden) if run is not None else None
        result = Result(
            problem.id,
            strategy,
            seed,
            solved=outcome.passed,
            true_solved=true,
            false_pass=outcome.passed and true is False,
            seconds=outcome.seconds,
            tokens=outcome.tokens,
            candidates=outcome.candidates,
            energy_wh=outcome.energy_wh,
            energy_label=outcome.energy_label,
            reason=outcome.reason,
            in_doubt=bool(outcome.doubt or outcome.open_question or outcome.overfit_suspect),
            digest=problem.digest,
            went_on=tuple(outcome.went_on),
        )
        return result, run


_WINNER = 0


def _recorded(outcome: Outcome, problem: Problem, strategy: str, seed: int) -> RecordedRun | None:
    if not outcome.record:
        return None
    lines = load_run(Path(outcome.record).stem)
    return from_record(lines, problem=problem.id, strategy=strategy, seed=seed)


def _texts(problem: Problem, outcome: Outcome, run: RecordedRun | None) -> dict[int, str]:
    """The winner's text, under `_WINNER`, and those of all that passed the visible tests, by their numbers."""
    texts = {_WINNER: outcome.text} if outcome.passed else {}
    if run is not None:
        language = Python()
        target = language.target_named(Path(problem.module_path), problem.module_text, target_of(problem))
        for each in run.passers:
            texts[each.number] = language.render(problem.module_text, target, solution_of(each))
    return texts


def target_of(problem: Problem) -> str:
    """The one function that is stubbed; empty (all stubs of the module) if there are several."""
    stubs = [function for function in Python().functions(problem.module_text) if function.is_stub]
    return stubs[0].qualname if len(stubs) == 1 else ""


@frozen
class Summary:
    """One strategy over all problems and seeds.

    Attributes:
        runs: problems times seeds.
        solved, true_solved, false_passes: counts of runs; true_solved is None where there are no hidden tests.
        in_doubt: solves that the user is told to look at again; false_in_doubt: the false passes among them.
        late: true solves whose confirmation ended after the time that there was for a problem.
        stood_in: runs in which something else went on in the place of what was asked for.
        errors: runs that ended in an error; they count as not solved.
        solved_share, true_share, false_share: of runs, with 95 % intervals by bootstrap over problems.
        seconds_per_true, tokens_per_true, wh_per_true: of all runs, those that solved nothing included, for each true
            solve; None if there is none.

    What is about true and false ones is counted of the problems that have hidden tests; where none has, a solve counts
    as a true one.
        cost_per_true: money for that energy, in `currency`; None, too, where the user has set no price.
    """

    strategy: str
    problems: int
    seeds: int
    runs: int
    solved: int
    true_solved: int | None
    false_passes: int
    solved_share: Interval
    true_share: Interval | None
    false_share: Interval
    seconds: float
    seconds_per_problem: float
    seconds_per_true: float | None
    tokens: int
    tokens_per_true: float | None
    candidates: int
    energy_wh: float
    energy_label: str
    wh_per_true: float | None
    cost_per_true: float | None = None
    currency: str = ""
    in_doubt: int = 0
    false_in_doubt: int = 0
    late: int = 0
    errors: int = 0
    stood_in: int = 0


def summarise(
    results: Iterable[Result], *, budget_seconds: float = math.inf, price_per_kwh: float = 0.0, currency: str = ""
) -> list[Summary]:
    """One summary a strategy, in the order of their first result.

    Args:
        budget_seconds: what there was for a problem.
        price_per_kwh: what the user pays for energy, in `currency`; 0: not known.
    """
    by_strategy: dict[str, list[Result]] = {}
    for result in results:
        by_strategy.setdefault(result.strategy, []).append(result)
    found = [_summary(strategy, group, price_per_kwh, currency) for strategy, group in by_strategy.items()]
    late = {
        strategy: sum(is_right(result) and result.seconds > budget_seconds for result in _judged(group))
        for strategy, group in by_strategy.items()
    }
    return [attrs.evolve(each, late=late[each.strategy]) for each in found]


def _judged(group: Sequence[Result]) -> Sequence[Result]:
    """Those of which the truth is known; all, where it is known of none."""
    return [result for result in group if result.true_solved is not None] or group


def is_right(result: Result) -> bool:
    """Truly solved, as far as that can be told."""
    return result.solved if result.true_solved is None else result.true_solved


def _summary(strategy: str, group: Sequence[Result], price: float, currency: str) -> Summary:
    judged = _judged(group)
    is_known = any(result.true_solved is not None for result in judged)
    labels = {result.energy_label for result in group if result.energy_label}
    right = sum(map(is_right, judged))
    seconds = sum(result.seconds for result in group)
    energy = sum(result.energy_wh for result in group)
    paid = sum(result.energy_wh for result in judged)

    def share(of: Iterable[Result], what: Callable[[Result], bool]) -> Interval:
        return bootstrap(by_problem([(result.id, float(what(result))) for result in of]))

    def each(total: float) -> float | None:
        return round(total / right, 4) if right else None

    return Summary(
        strategy=strategy,
        problems=len({result.id for result in group}),
        seeds=len({result.seed for result in group}),
        runs=len(group),
        solved=sum(result.solved for result in group),
        true_solved=right if is_known else None,
        false_passes=sum(result.false_pass for result in group),
        solved_share=share(group, lambda result: result.solved),
        true_share=share(judged, is_right) if is_known else None,
        false_share=share(judged, lambda result: result.false_pass),
        seconds=round(seconds, 1),
        seconds_per_problem=round(seconds / len(group), 2),
        seconds_per_true=each(sum(result.seconds for result in judged)),
        tokens=sum(result.tokens for result in group),
        tokens_per_true=each(sum(result.tokens for result in judged)),
        candidates=sum(result.candidates for result in group),
        energy_wh=energy,
        energy_label=", ".join(sorted(labels)),
        wh_per_true=each(paid),
        cost_per_true=paid / 1000 * price / right if price and right else None,
        currency=currency if price else "",
        in_doubt=sum(result.in_doubt for result in group),
        false_in_doubt=sum(result.in_doubt and result.false_pass for result in group),
        errors=sum(result.failed for result in group),
        stood_in=sum(bool(result.went_on) for result in group),
    )
