"""Chooses among the candidates that passed by what they do, and says what they leave open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from engine.candidate import Candidate, Winner
from engine.events import Answer, OpenQuestion
from engine.judgement import Trial
from engine.search import Choice, Passer, choose, distinguishing, stands_alone
from engine.verification import values
from engine.verification.base import Judge
from engine.verification.behaviour import Behaviours, compare, side_effects
from engine.wording import counted


@frozen
class Chosen:
    """What came of it.

    Attributes:
        order: the passers, the best first.
        behaviours: what they do; skipped where that is not known.
        choice: how they were grouped.
    """

    order: tuple[Candidate, ...]
    behaviours: Behaviours
    choice: Choice = field(factory=lambda: Choice(()))

    @property
    def groups(self) -> dict[int, int]:
        """Of equal behaviour, by passer; without those of which nothing is known."""
        return {number: group for number, group in self.choice.groups.items() if number in self.behaviours.answers}


async def choose_among(
    passed: Sequence[Candidate], candidates: Sequence[Candidate], trial: Trial, judge: Judge, most: int
) -> Chosen:
    """Order the candidates that passed.

    Args:
        candidates: all of the run: those that only repeat a passer count for it.
        most: so many passers are compared, those that were sampled most; each costs the start of a process.
    """
    votes = Counter(c.attempt.same_as for c in candidates if c.attempt.same_as is not None)
    passers = [
        Passer(c.attempt.number, 1 + votes[c.attempt.number], len(c.text), c.verdict.cpu_seconds if c.verdict else 0.0)
        for c in passed
    ]
    by_number = {c.attempt.number: c for c in passed}
    known = sorted(passers, key=lambda passer: (-passer.weight, passer.number))[:most]
    found = await _behaviours([by_number[passer.number] for passer in known], trial, judge)
    choice = choose(passers, found.outcomes())
    return Chosen(tuple(by_number[number] for number in choice.order), found, choice)


async def _behaviours(passed: Sequence[Candidate], trial: Trial, judge: Judge) -> Behaviours:
    if len(passed) < 2:
        return Behaviours("there is nothing to compare")
    bodies = [body for c in passed if c.solution is not None for body in c.solution.bodies.values()]
    if effects := side_effects(bodies):
        return Behaviours(f"it does more than answer ({effects})")
    texts = {c.attempt.number: c.text for c in passed}
    snapshot = trial.snapshot
    return await compare(
        trial.verifier, trial.language, judge, trial.target, snapshot.text, texts, snapshot.overlays, trial.time_limit
    )


def _size(message: dict[str, Any]) -> int | None:
    """Of an input that a person can be shown; else None."""
    try:
        values.call_text(message)
    except values.NotWritable:
        return None
    return values.size(message)


def question_of(
    chosen: Chosen, winner: Candidate, candidates: Sequence[Candidate], trial: Trial, judge: Judge
) -> OpenQuestion | None:
    """The smallest input on which the winner and others that passed differ; None if there is none that can be told.

    Those that were refused when they were judged again have no say.
    """
    found, own = chosen.behaviours, winner.attempt.number
    passed = {c.attempt.number for c in chosen.order if c.attempt.status == "passed"}
    told_by = {number: outcomes for number, outcomes in found.outcomes().items() if number in passed}
    index = distinguishing(own, told_by, [_size(message) for message in found.inputs])
    if index is None:
        return None
    message = found.inputs[index]
    name = str(message["target"])
    votes = Counter(c.attempt.same_as for c in candidates if c.attempt.same_as is not None)
    groups: dict[str, list[int]] = {}
    for number, outcomes in told_by.items():
        groups.setdefault(outcomes[index], []).append(number)
    answers = []
    for numbers in groups.values():
        answer = found.answers[numbers[0]][index]
        told = values.answer_text(answer, message["objects"]) if answer else values.Told("no answer", writable=False)
        weight = sum(1 + votes[number] for number in numbers)
        answers.append(Answer(told.text, told.raises, tuple(numbers), weight, own in numbers, told.writable))
    if len({(answer.value, answer.raises) for answer in answers}) < len(answers):
        return None  # they differ in what cannot be told
    answers.sort(key=lambda answer: (not answer.chosen, -answer.weight))
    function = next((f for f in trial.target.functions if f.qualname == name), None)
    return OpenQuestion(
        call=values.call_text(message),
        name=name,
        module=found.module,
        answers=tuple(answers),
        recorded=index < found.recorded,
        test_file=str(judge.files[0]),
        framework=judge.framework,
        is_async=function is not None and function.is_async,
    )


def doubt_of(winner: Winner, candidates: Sequence[Candidate], groups: Mapping[int, int]) -> str:
    """Why the winner may be wrong, although it passes; empty if nothing says so.

    Args:
        groups: of equal behaviour, by passer.
    """
    own, tests, calls = winner.candidate.attempt, winner.strict.verdict.tests_total, winner.strict.calls
    if not stands_alone(own, [c.attempt for c in candidates], groups, max(tests, calls)):
        return ""
    few = f"it has only {counted(tests, 'test')}"
    if calls:
        few = f"the tests call it only {calls} times" if calls > 1 else "the tests call it only once"
    return f"the model found it unlikely, no other candidate agrees with it, and {few}"
