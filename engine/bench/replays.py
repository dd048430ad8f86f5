"""Many replays of many policies over one pool, and what they come to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from attrs import evolve, frozen

from engine.bench.policies import only_a_policy, policy_named
from engine.bench.pool import RecordedRun
from engine.bench.simulate import Machine, Replayed, replay
from engine.bench.statistics import Interval, bootstrap, by_problem, difference
from engine.search import State

FULL = "full"
_UNKNOWN = (None, None)


@frozen
class Standing:
    """What one policy came to.

    Attributes:
        solved, true, false: shares of replays, with 95 % intervals over problems.
        untold: share of replays whose winner is false, and not said to be in doubt; in_doubt: of those whose winner is.
        area: mean share solved truly over the time from 0 to the budget: who solves sooner has more.
        seconds: mean of a replay; seconds_per_true: of all, for each true solve.
        passers: mean number of different passers, where there is one; right: share of the solved that had a true one.
        regret: how much less is solved truly than by the best fixed policy in hindsight; regret_area: of the area.
        ahead: how much more `full` solves truly, paired by problems.
        missing: share of decisions that the pool had nothing for.
    """

    policy: str
    replays: int
    solved: Interval
    true: Interval
    false: Interval
    untold: Interval
    in_doubt: float
    area: float
    seconds: float
    seconds_per_true: float | None
    tokens: float
    candidates: float
    passers: float
    right: float
    missing: float
    regret: float = 0.0
    regret_area: float = 0.0
    ahead: Interval | None = None


@frozen
class Comparison:
    """All policies over one pool.

    Attributes:
        best: the best fixed policy in hindsight: most true solves, then the greatest area.
        replayed: every replay, by policy.
        runs_per_minute: replays a minute, as it went here.
        otherwise: policies that ask for samples of another manner than the pool has.
    """

    standings: tuple[Standing, ...]
    best: str
    replayed: dict[str, tuple[Replayed, ...]]
    runs_per_minute: float
    otherwise: tuple[str, ...] = ()


def compare(
    pool: Sequence[RecordedRun], names: Sequence[str], machine: Machine, draws: int,
    report: Callable[[], None] = lambda: None,
) -> Comparison:  # fmt: skip
    """Replay each policy `draws` times over each run of the pool that was sampled in its manner, or over all runs if
    there are none.

    Args:
        report: called after each replay.
    """
    began = time.monotonic()
    replayed: dict[str, tuple[Replayed, ...]] = {}
    for name in names:
        policy = policy_named(only_a_policy(name))
        limit = evolve(machine, limit=1) if name == "greedy" else machine
        found = []
        for run in fitting(pool, name) or pool:
            for draw in range(draws):
                found.append(replay(policy, run, limit, draw))
                report()
        replayed[name] = tuple(found)
    count = sum(map(len, replayed.values()))
    pace = 60 * count / max(1e-9, time.monotonic() - began)
    standings = {name: _standing(name, found, machine) for name, found in replayed.items()}
    fixed = [standing for name, standing in standings.items() if name != FULL] or list(standings.values())
    best = max(fixed, key=lambda each: (round(each.true.mean, 9), each.area))
    full = _true(replayed[FULL]) if FULL in replayed else None
    told = [
        evolve(
            each,
            regret=best.true.mean - each.true.mean,
            regret_area=best.area - each.area,
            ahead=difference(full, _true(replayed[name])) if full is not None and name != FULL else None,
        )
        for name, each in standings.items()
    ]
    otherwise = tuple(name for name in names if not fitting(pool, name))
    return Comparison(tuple(told), best.policy, replayed, pace, otherwise)


def fitting(pool: Sequence[RecordedRun], name: str) -> list[RecordedRun]:
    """The runs whose candidates were sampled as this policy has them sampled, or where that is not recorded."""
    first = policy_named(name).wanted(State((), limit=1, width=1, temperature=0.8))[0]  # all are of one manner
    return [run for run in pool if run.manner in ((first.terse, first.distinct), _UNKNOWN)]


def _true(found: Sequence[Replayed]) -> dict[str, float]:
    return by_problem([(each.problem, float(each.true)) for each in found])


def _standing(name: str, found: Sequence[Replayed], machine: Machine) -> Standing:
    count = len(found)
    solved = [each for each in found if each.solved]
    true = sum(each.true for each in found)
    seconds = sum(each.seconds for each in found)
    decisions = sum(each.candidates for each in found)
    return Standing(
        policy=name,
        replays=count,
        solved=bootstrap(by_problem([(each.problem, float(each.solved)) for each in found])),
        true=bootstrap(_true(found)),
        false=bootstrap(by_problem([(each.problem, float(each.solved and not each.true)) for each in found])),
        untold=bootstrap(by_problem([(r.problem, float(r.solved and not r.true and not r.in_doubt)) for r in found])),
        in_doubt=sum(each.in_doubt for each in found) / count,
        area=sum(max(0.0, 1 - each.seconds / machine.seconds) for each in found if each.true) / count,
        seconds=seconds / count,
        seconds_per_true=seconds / true if true else None,
        tokens=sum(each.tokens for each in found) / count,
        candidates=decisions / count,
        passers=sum(each.passers for each in solved) / len(solved) if solved else 0.0,
        right=sum(each.right for each in solved) / len(solved) if solved else 0.0,
        missing=sum(each.missing for each in found) / decisions if decisions else 0.0,
    )


def points(replayed: Sequence[Replayed], by: str) -> Iterator[tuple[float, bool]]:
    """For a plot: when each was solved, in `seconds` or `candidates`."""
    return ((float(getattr(each, by)), each.true) for each in replayed)
