"""Runs problems through strategies, one after another, and says what came of each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import anyio
import attrs
from attrs import frozen

from engine.bench.problems import Problem
from engine.bench.truth import passes_hidden_tests
from engine.config import Settings
from engine.errors import GreenfinchError
from engine.events import Outcome
from engine.generation.factory import make_generator
from engine.languages.python import Python
from engine.session import Engine, ImplementRequest


@frozen
class Result:
    """One problem under one strategy and seed.

    Attributes:
        solved: a winner passed the visible tests and was confirmed.
        true_solved: the winner passes the hidden tests as well; None where there are none.
        false_pass: it does not.
        seconds: of the whole run, the baseline included.
        energy_wh: watt-hours; energy_label says how they are known.
        reason: why it was not solved.
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


async def run_problems(
    problems: Iterable[Problem],
    strategies: Iterable[str],
    settings: Settings,
    seeds: Iterable[int],
    report: Callable[[Result], None],
    *,
    done: frozenset[tuple[str, str, int]] = frozenset(),
) -> None:
    """Run every problem under every strategy and seed that is not `done`; `report` gets each result as it comes.

    Raises:
        ModelError, GenerationError: no candidate can be sampled at all.
    """
    problems = list(problems)
    generator = make_generator(settings)
    try:
        await generator.prepare()  # a model that cannot be used ends the bench here, not once a problem
        for seed in seeds:
            for strategy in strategies:
                engine = Engine(attrs.evolve(settings, strategy=strategy), generator=generator)
                for problem in problems:
                    if (problem.id, strategy, seed) not in done:
                        report(await _run(problem, strategy, seed, engine, settings))
    finally:
        await generator.aclose()


async def _run(problem: Problem, strategy: str, seed: int, engine: Engine, settings: Settings) -> Result:
    with tempfile.TemporaryDirectory(prefix="greenfinch-bench-") as name:
        folder = await anyio.Path(name).resolve()
        root = Path(folder)
        path = problem.write(root)
        outcome: Outcome | None = None
        reason = ""
        try:
            request = ImplementRequest(root, path, _target(problem), seed=seed)
            async with engine.implement(request) as events:
                async for event in events:
                    if isinstance(event, Outcome):
                        outcome = event
        except GreenfinchError as error:
            reason = str(error)
        if outcome is None:
            return Result(problem.id, strategy, seed, False, None, False, 0.0, 0, 0, 0.0, "", reason)
        true = None
        if outcome.passed and problem.hidden_test_text:
            true = await passes_hidden_tests(problem, outcome.text, root, settings)
        elif problem.hidden_test_text:
            true = False
        return Result(
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
        )


def _target(problem: Problem) -> str:
    """The one function that is stubbed; empty (all stubs of the module) if there are several."""
    stubs = [function for function in Python().functions(problem.module_text) if function.is_stub]
    return stubs[0].qualname if len(stubs) == 1 else ""


@frozen
class Summary:
    """Totals of one strategy over all problems and seeds."""

    strategy: str
    problems: int
    solved: int
    true_solved: int | None
    false_passes: int
    seconds: float
    seconds_per_problem: float
    tokens: int
    candidates: int
    energy_wh: float
    energy_label: str


def summarise(results: Iterable[Result]) -> list[Summary]:
    """One summary a strategy, in the order of their first result."""
    by_strategy: dict[str, list[Result]] = {}
    for result in results:
        by_strategy.setdefault(result.strategy, []).append(result)
    return [_summary(strategy, group) for strategy, group in by_strategy.items()]


def _summary(strategy: str, group: list[Result]) -> Summary:
    known = [result.true_solved for result in group if result.true_solved is not None]
    seconds = sum(result.seconds for result in group)
    labels = {result.energy_label for result in group if result.energy_label}
    return Summary(
        strategy=strategy,
        problems=len(group),
        solved=sum(result.solved for result in group),
        true_solved=sum(known) if known else None,
        false_passes=sum(result.false_pass for result in group),
        seconds=round(seconds, 1),
        seconds_per_problem=round(seconds / len(group), 2),
        tokens=sum(result.tokens for result in group),
        candidates=sum(result.candidates for result in group),
        energy_wh=sum(result.energy_wh for result in group),
        energy_label=", ".join(sorted(labels)),
    )
