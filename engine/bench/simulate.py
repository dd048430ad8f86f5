"""Policies replayed over recorded pools, without a model: thousands of runs a minute.

A replay asks the policy as the driver does, and draws what it starts from the pool: a sample of a prompt from the
recorded samples of that prompt, in random order; a repair from the recorded repairs of its parent, or else of a parent
that passes the same tests.  What the pool has no more of is refused, as a repetition would be.  Time is modelled, not
measured: each prompt is read once, before anything else goes on; tokens are sampled at a given rate that all candidates
share; tests run one at a time; a confirmation takes a fixed time.  So figures of policies can be compared with each
other, and with nothing else.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cache

from attrs import evolve, field, frozen, mutable

from engine.bench.pool import Recorded, RecordedRun
from engine.models import catalogue
from engine.search import Attempt, Decision, Policy, Repair, Sample, State, decide, stands_alone, width_after

_CHARS_PER_TOKEN = 3.5
_LOOK_AGAIN = 0.5
_NEVER = 1e18
_NOTHING = 1e-9
_NOTHING_LEFT = -1
_WORKERS = 1  # runs of tests at a time


@frozen
class Machine:
    """What a replay takes the model and the tests to be.

    Attributes:
        tokens: a second, of one candidate alone; reading: tokens of a prompt a second.
        batch: how much faster several candidates are together than one, by their number (in between: the next less).
        confirmation: seconds.
        limit, seconds: of the search, as the settings would say.
    """

    tokens: float = 36.0
    reading: float = 85.0
    batch: tuple[tuple[int, float], ...] = ((1, 1.0), (2, 1.25), (4, 1.5), (8, 1.65), (16, 1.75))
    confirmation: float = 2.0
    limit: int = 64
    seconds: float = 60.0

    def speedup(self, count: int) -> float:
        return max(gain for least, gain in self.batch if least <= count)


@frozen
class Replayed:
    """How a replay ended.

    Attributes:
        solved: something passed; true: the winner passes the hidden tests (the visible ones, where there are none).
        passers: different candidates that passed; right: whether one of them is true.
        missing: decisions that the pool had nothing for.
        in_doubt: the user would be told that nothing but few tests speaks for the winner, or that others that pass
            behave differently.
    """

    problem: str
    seed: int
    solved: bool
    true: bool
    seconds: float
    tokens: int
    candidates: int
    passers: int = 0
    right: bool = False
    missing: int = 0
    in_doubt: bool = False


@mutable
class _Prompt:
    """What candidates have in common; `unread`: seconds of reading that are left."""

    unread: float = 0.0


@mutable
class _Trial:
    """A candidate on its way; `work` is what its text still takes once `prompt` is read, in seconds of a machine of its
    own.
    """

    attempt: Attempt
    source: Recorded | None
    work: float
    test: float
    started: float
    prompt: _Prompt


@mutable
class _Stacks:
    """What the pool still has."""

    samples: dict[tuple[str, bool, bool], list[Recorded]] = field(factory=lambda: defaultdict(list))
    repairs: dict[int, list[Recorded]] = field(factory=lambda: defaultdict(list))
    vectors: dict[int, tuple[bool, ...]] = field(factory=dict)

    @classmethod
    def of(cls, run: RecordedRun, chance: random.Random) -> _Stacks:
        by_number = {each.number: each for each in run.candidates}
        stacks = cls(vectors={each.number: each.vector for each in run.candidates})
        for each in (_with_verdict(each, by_number) for each in run.candidates if each.kind != "existing"):
            if each.status == "dropped":
                continue
            if each.parent is not None:
                stacks.repairs[each.parent].append(each)
            else:
                stacks.samples[each.variant, each.temperature == 0, each.larger].append(each)
        for stack in (*stacks.samples.values(), *stacks.repairs.values()):
            chance.shuffle(stack)
        return stacks

    def draw(self, decision: Decision, parents: dict[int, Recorded]) -> Recorded | None:
        if isinstance(decision, Sample):
            stack = self.samples[decision.variant, decision.temperature == 0, decision.larger]
            return stack.pop() if stack else None
        parent = parents.get(decision.parent)
        if parent is None:
            return None
        alike = [number for number in self.repairs if self.vectors.get(number) == parent.vector]
        for number in (parent.number, *alike):
            if self.repairs.get(number):
                return self.repairs[number].pop()
        return None


def _with_verdict(sample: Recorded, by_number: Mapping[int, Recorded]) -> Recorded:
    """What only repeated another has that one's text and verdict: in a replay it may come first, and be tested."""
    original = by_number.get(sample.same_as or sample.number, sample)
    return evolve(
        original, kind=sample.kind, variant=sample.variant, larger=sample.larger, temperature=sample.temperature,
        parent=sample.parent, tokens=sample.tokens, logprob=sample.logprob, new_chars=sample.new_chars,
    )  # fmt: skip


def replay(policy: Policy, run: RecordedRun, machine: Machine, seed: int) -> Replayed:
    """One run of `policy` over what was recorded."""
    chance = random.Random(f"{run.problem} {run.seed} {seed}")  # noqa: S311 - a shuffle
    stacks = _Stacks.of(run, chance)
    trials: list[_Trial] = []
    drawn: dict[int, Recorded] = {}  # by number in this replay
    seen: dict[int, int] = {}  # number of a text in the pool: the number here that was first to have it
    queue: list[_Trial] = []
    prompts: dict[object, _Prompt] = {}
    now, missing = run.began, 0
    for own in (each for each in run.candidates if each.kind == "existing"):  # the target's own body
        known = Attempt(1, "failed", vector=own.vector, failed_fast=own.failed_fast)
        trials.append(_Trial(known, own, 0.0, 0.0, 0.0, _Prompt()))
        drawn[1], seen[own.number] = own, 1
    tests = [each.test_seconds for each in run.candidates if each.test_seconds]
    test_seconds = sorted(tests)[len(tests) // 2] if tests else 0.5
    parameters = _parameters(run.model)
    while True:
        width = width_after(sum(trial.attempt.status in {"refused", "failed", "passed"} for trial in trials))
        state = State(
            attempts=tuple(_so_far(trial, machine) for trial in trials), limit=machine.limit, width=width,
            backlog=width + _WORKERS, temperature=0.8, tokens_each=1024, seconds=now,
            budget_seconds=machine.seconds, test_seconds=test_seconds, base=run.base, parameters=parameters, seed=seed,
        )  # fmt: skip
        step = decide(policy, state)
        for decision in step.start:
            number = len(trials) + 1
            found = stacks.draw(decision, drawn)
            attempt = Attempt(number, "sampling", decision)
            what = decision.parent if isinstance(decision, Repair) else decision.variant
            key = (decision.larger, what)
            if key not in prompts:
                chars = (0 if prompts else run.prompt_chars) + (found.new_chars if found else 0)
                prompts[key] = _Prompt(chars / _CHARS_PER_TOKEN / machine.reading)
            work = (found.tokens if found else 40) / machine.tokens
            trials.append(_Trial(attempt, found, work, test_seconds, now, prompts[key]))
            missing += found is None
            if found is not None:
                drawn[number] = found
        if step.over:
            break
        now = _advance(trials, queue, seen, now, machine)
    return _ended(run, trials, now, machine, missing)


@cache
def _parameters(model: str) -> int:
    return next((round(entry.parameters * 1e9) for entry in catalogue.load().models if entry.name == model), 0)


def _advance(trials: list[_Trial], queue: list[_Trial], seen: dict[int, int], now: float, machine: Machine) -> float:
    """To the next thing that happens; at most a little while, since the policy is asked now and then anyway."""
    sampling = [trial for trial in trials if trial.attempt.status == "sampling"]
    unread = next((trial.prompt for trial in sampling if trial.prompt.unread > _NOTHING), None)
    pace = machine.speedup(len(sampling)) / len(sampling) if sampling else 1.0
    sampled = min((trial.work / pace for trial in sampling), default=_NEVER) if unread is None else unread.unread
    tested = queue[0].test if queue else _NEVER
    watched = len(trials) == 1 or any(trial.attempt.status == "passed" for trial in trials)
    wait = min(sampled, tested, _LOOK_AGAIN if watched else _NEVER)
    later = min(now + wait, max(now, machine.seconds))
    if unread is not None:
        unread.unread -= later - now
    for trial in sampling if unread is None else ():
        trial.work -= (later - now) * pace
    if queue:
        queue[0].test -= later - now
    for trial in sampling:
        if max(trial.work, trial.prompt.unread) <= _NOTHING:
            _sampled(trial, queue, seen, later)
    if queue and queue[0].test <= _NOTHING:
        trial = queue.pop(0)
        source = trial.source
        assert source is not None  # noqa: S101 - what is tested was drawn
        trial.attempt = evolve(
            trial.attempt, status="passed" if all(source.vector) else "failed", vector=source.vector,
            failed_fast=source.failed_fast, seconds=later - trial.started, ended=later,
        )  # fmt: skip
    return later


def _so_far(trial: _Trial, machine: Machine) -> Attempt:
    """With the tokens that it has by now; its prompt was read before these."""
    if trial.attempt.status != "sampling" or trial.source is None:
        return trial.attempt
    return evolve(trial.attempt, tokens=max(0, trial.source.tokens - round(trial.work * machine.tokens)))


def _sampled(trial: _Trial, queue: list[_Trial], seen: dict[int, int], now: float) -> None:
    """A text is complete: to the tests with it, unless the gate refuses it."""
    source, number = trial.source, trial.attempt.number
    decision = trial.attempt.decision
    told = source is not None and decision is not None and decision.distinct  # a host tells it with these alone
    attempt = evolve(
        trial.attempt, tokens=source.tokens if source else 40, logprob=source.logprob if source and told else None,
        seconds=now - trial.started, ended=now,
    )  # fmt: skip
    first = seen.setdefault(source.number if source else _NOTHING_LEFT, number)
    if source is None or first != number:
        trial.attempt = evolve(attempt, status="refused", same_as=first if first != number else None)
    elif not source.vector:
        trial.attempt = evolve(attempt, status="refused")
    else:
        trial.attempt = evolve(attempt, status="testing")
        queue.append(trial)


def _ended(run: RecordedRun, trials: list[_Trial], now: float, machine: Machine, missing: int) -> Replayed:
    passed = [trial for trial in trials if trial.attempt.status == "passed" and trial.source is not None]
    tokens = sum(trial.attempt.tokens for trial in trials)
    if not passed:
        return Replayed(run.problem, run.seed, False, False, now, tokens, len(trials), missing=missing)
    votes = Counter(trial.attempt.same_as for trial in trials if trial.attempt.same_as is not None)
    winner = chosen([trial.source for trial in passed if trial.source], [votes[t.attempt.number] for t in passed])
    won = next(trial.attempt for trial in passed if trial.source is winner)
    known = [(trial.attempt.number, trial.source.group) for trial in passed if trial.source]
    groups = {number: group for number, group in known if group is not None}
    alone = stands_alone(won, [trial.attempt for trial in trials], groups, len(won.vector))
    in_doubt = alone or len(set(groups.values())) > 1
    return Replayed(
        run.problem, run.seed, True, _is_true(run, winner), now + machine.confirmation, tokens, len(trials),
        len(passed), any(_is_true(run, trial.source) for trial in passed if trial.source), missing,
        in_doubt,
    )  # fmt: skip


def chosen(passers: Sequence[Recorded], votes: Sequence[int]) -> Recorded:
    """The winner among passers: of the group of equal behaviour that was sampled most often, then its member that
    was, then the shorter text.
    """
    weight: Counter[object] = Counter()
    for each, count in zip(passers, votes, strict=True):
        weight[_group(each)] += 1 + count
    ranked = zip(passers, votes, strict=True)
    return min(ranked, key=lambda pair: (-weight[_group(pair[0])], -pair[1], pair[0].size, pair[0].number))[0]


def _group(each: Recorded) -> object:
    return each.group if each.group is not None else f"alone {each.number}"


def _is_true(run: RecordedRun, winner: Recorded) -> bool:
    return bool(winner.hidden) if run.has_hidden else True


__all__ = ["Machine", "Replayed", "chosen", "replay"]
