"""Pools: every candidate of every run of a bench, with its verdicts, so that policies can be replayed over them.

A pool is JSON Lines, one run a line, appended when the run has ended.  It is made from the run's own record; the
hidden verdicts come last, when nothing of the run can depend on them any more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
import cattrs
from attrs import evolve, field, frozen

from engine.errors import ConfigError
from engine.languages.base import Solution

FILE = "pool.jsonl"


@frozen
class Recorded:
    """One candidate.

    Attributes:
        kind: `greedy`, `sampled`, `repaired` or `existing`; variant, larger, temperature, parent, terse, distinct: as
            it was asked for; None: that was not recorded.
        status: `refused`, `failed`, `passed` or `dropped`; same_as: the candidate it repeats.
        vector: which of the judge's tests it passes; whole: none were left out.
        logprob: natural logarithm of the probability that the model gives it; None if that is not known.
        tokens: sampled; new_chars: read beyond the run's first prompt.
        sampling_seconds, test_seconds: as measured, beside whatever else ran.
        ended: when its verdict came, in seconds of the run.
        sha256: of its bodies; size: their characters.
        group: of equal behaviour among the run's passers, if that was looked at.
        hidden: whether the hidden tests pass; None if it was not asked.
    """

    number: int
    kind: str
    status: str
    variant: str = "plain"
    larger: bool = False
    temperature: float = 0.0
    parent: int | None = None
    same_as: int | None = None
    vector: tuple[bool, ...] = ()
    whole: bool = True
    failed_fast: bool = False
    tokens: int = 0
    logprob: float | None = None
    new_chars: int = 0
    sampling_seconds: float = 0.0
    test_seconds: float = 0.0
    ended: float = 0.0
    sha256: str = ""
    size: int = 0
    reason: str = ""
    group: int | None = None
    hidden: bool | None = None
    bodies: dict[str, str] = field(factory=dict)
    imports: tuple[str, ...] = ()
    terse: bool | None = None
    distinct: bool | None = None


@frozen
class RecordedRun:
    """One run.

    Attributes:
        began: when the search began, in seconds of the run; before that the judge was found and the model loaded.
        prompt_chars: of the first prompt.
        base: which tests the text as it was passes.
        has_hidden: whether the problem has hidden tests.
        winner: number of the winner; None if there is none.
    """

    problem: str
    strategy: str
    seed: int
    model: str
    seconds: float
    began: float
    prompt_chars: int
    base: tuple[bool, ...]
    has_hidden: bool
    winner: int | None
    candidates: tuple[Recorded, ...]

    @property
    def manner(self) -> tuple[bool | None, bool | None]:
        """How all of it was sampled, as far as that is recorded: without comments, and without replacement."""
        return next(((c.terse, c.distinct) for c in self.candidates if c.kind != "existing"), (None, None))

    @property
    def passers(self) -> tuple[Recorded, ...]:
        return tuple(each for each in self.candidates if each.status == "passed")

    def with_truth(self, hidden: Mapping[int, bool]) -> RecordedRun:
        """The run with hidden verdicts, by the candidates' numbers; what repeats another has that one's."""
        told = [
            evolve(each, hidden=hidden.get(each.same_as or each.number, None if each.status == "dropped" else False))
            for each in self.candidates
        ]
        return evolve(self, candidates=tuple(told), has_hidden=True)

    def with_groups(self, groups: Mapping[int, int]) -> RecordedRun:
        """The run with groups of equal behaviour, by the candidates' numbers."""
        return evolve(self, candidates=tuple(evolve(c, group=groups.get(c.number)) for c in self.candidates))


def from_record(lines: Iterable[Mapping[str, Any]], *, problem: str, strategy: str, seed: int) -> RecordedRun:
    """A run from the lines of its record."""
    candidates: dict[int, Recorded] = {}  # of one that was dropped or withdrawn and told again, what was told last
    bodies: dict[int, dict[str, str]] = {}
    groups: dict[int, int] = {}
    model, began, prompt_chars, seconds, winner = "", 0.0, 0, 0.0, None
    base: tuple[bool, ...] = ()
    for line in lines:
        match line["event"]:
            case "model_ready":
                model = model or line["info"]["model"]
            case "prompt":
                prompt_chars = sum(len(message["content"]) for message in line["messages"])
            case "stage_started" if line["stage"] == "search" and not began:
                began = line["seconds"]
            case "judge_found" if not base:
                base = (False,) * line["failing"] + (True,) * (line["tests"] - line["failing"])
            case "candidate_text":
                bodies[line["number"]] = line["bodies"]
            case "attempt":
                candidates[line["number"]] = _recorded(line, bodies.get(line["number"], {}))
            case "behaviour":
                groups = {int(number): group for number, group in line["groups"].items()}
            case "outcome":
                seconds, winner = line["seconds"], line["winner"]
    run = RecordedRun(problem, strategy, seed, model, seconds, began, prompt_chars, base, False, winner,
                      tuple(candidates[number] for number in sorted(candidates)))  # fmt: skip
    return run.with_groups(groups) if groups else run


def _recorded(line: Mapping[str, Any], bodies: dict[str, str]) -> Recorded:
    decision = line["decision"] or {}
    text = json.dumps(bodies, sort_keys=True)
    return Recorded(
        number=line["number"],
        kind=line["origin"],
        status=line["status"],
        variant=decision.get("variant", "plain"),
        larger=decision.get("larger", False),
        temperature=decision.get("temperature", 0.0),
        parent=decision.get("parent"),
        same_as=line["same_as"],
        vector=tuple(line["vector"]),
        whole=line["whole"],
        failed_fast=line["failed_fast"],
        tokens=line["tokens"],
        logprob=line.get("logprob"),
        new_chars=line["new_chars"],
        sampling_seconds=line["sampling_seconds"],
        test_seconds=line["test_seconds"],
        ended=round(line["ended"], 3),
        sha256=hashlib.sha256(text.encode()).hexdigest() if bodies else "",
        size=sum(map(len, bodies.values())),
        reason=line["reason"],
        bodies=bodies,
        imports=tuple(line["imports"]),
        terse=decision.get("terse"),
        distinct=decision.get("distinct"),
    )


def solution_of(candidate: Recorded) -> Solution:
    """The candidate's text, as it was tested."""
    return Solution(candidate.bodies, candidate.imports)


def append(run: RecordedRun, folder: Path) -> None:
    """Add a run to the pool in `folder`, after the last whole line of what a broken-off bench has left there."""
    with (folder / FILE).open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(json.dumps(attrs.asdict(run)).encode() + b"\n")


def load(pool: Path) -> list[RecordedRun]:
    """The runs of a pool, a file or the folder that holds it; of equal ones the last.

    Raises:
        ConfigError: it is not there, holds none, or a line of it is no run.
    """
    file = pool / FILE if pool.is_dir() else pool
    runs: dict[tuple[str, str, int], RecordedRun] = {}
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}.", remedy="Name a folder of `bench run --out`."
        ) from error
    for number, line in enumerate(lines, 1):
        try:
            run = cattrs.structure(json.loads(line), RecordedRun)
        except (ValueError, KeyError, TypeError, cattrs.BaseValidationError) as error:
            if number == len(lines):
                break  # cut short when the bench was ended
            raise ConfigError(f"{file}, line {number}, is no run.", remedy="Record the pool again.") from error
        runs[run.problem, run.strategy, run.seed] = run
    if not runs:
        raise ConfigError(f"{file} holds no run.", remedy="Record the pool again.")
    return list(runs.values())
