"""What a run tells whoever drives it: a stream of events, the last of them an `Outcome`.

`as_json` gives each the form that `--json` prints and a record keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import attrs
from attrs import field, frozen

from engine.generation.base import GeneratorInfo
from engine.languages.base import Solution, TextEdit
from engine.verification.base import TestResult
from engine.wording import tests_score

Origin = Literal["greedy", "sampled", "repaired", "existing"]


@frozen
class RunStarted:
    """First of every run."""

    run: str
    target: str
    path: str
    strategy: str
    budget_seconds: float


@frozen
class StageStarted:
    """What the run is busy with now, for a progress line: `tests`, `model`, `search`, `confirm`."""

    stage: Literal["tests", "model", "search", "confirm"]
    message: str


@frozen
class JudgeFound:
    """The tests that decide, and what they run in.

    Attributes:
        sandbox: the level of the confinement; sandbox_detail: what it holds, and what it does not.
    """

    tests: int
    failing: int
    files: tuple[str, ...]
    framework: str
    python: str
    sandbox: str
    seconds: float
    blocked: dict[str, str]
    excluded: dict[str, str]
    warnings: tuple[str, ...] = ()
    sandbox_detail: str = ""


@frozen
class ModelReady:
    """Where the tokens come from."""

    info: GeneratorInfo


@frozen
class WentOn:
    """A part has failed, and the run goes on by other means: `how` in a few words.  Told once for each."""

    how: str


@frozen
class CandidateStarted:
    """Candidate `number` (from 1) is being sampled; or it is the target's own body, as the user wrote it (`existing`).

    Attributes:
        variant: how the model is asked: `plain`, `plan` first, `bare` (without the surroundings), in small `steps`.
        larger: by the larger model.
    """

    number: int
    origin: Origin
    parent: int | None = None
    variant: str = "plain"
    larger: bool = False


@frozen
class CandidateGrew:
    """Sampling goes on; at most a few of these a second.

    Attributes:
        tokens: of this candidate so far.
        tokens_per_second: of all candidates together, lately.
    """

    number: int
    tokens: int
    tokens_per_second: float


@frozen
class CandidateRejected:
    """Refused before any test was spent; `reason` in one line."""

    number: int
    reason: str
    tokens: int


@frozen
class CandidateTested:
    """The judge has spoken.

    Attributes:
        message: the first failure in one line; empty if it passed.
        whole: all tests were run; it was not abandoned at its first failure.
        best: most tests passed by any candidate so far.
        tried: candidates that are through, rejected ones included.
    """

    number: int
    passed: bool
    tests_passed: int
    tests_total: int
    message: str
    seconds: float
    tokens: int
    best: int
    tried: int
    whole: bool = True

    @property
    def score(self) -> str:
        """How many tests it passed, in words."""
        return tests_score(self.tests_passed, self.tests_total, self.whole)


@frozen
class BestAttempt:
    """What came nearest, when nothing passed.

    Attributes:
        diff: unified, against the text the run started from.
        failure: the first test it fails.
        whole: all tests were run; it was not abandoned at its first failure.
    """

    number: int
    tests_passed: int
    tests_total: int
    diff: str
    failure: TestResult | None
    whole: bool = True

    @property
    def score(self) -> str:
        """How many tests it passes, in words."""
        return tests_score(self.tests_passed, self.tests_total, self.whole)


@frozen
class Answer:
    """What some of the candidates that pass answer to an open question.

    Attributes:
        value: a Python expression, or the name of an exception; raises: whether it is that.
        candidates: numbers of those that answer so; weight: how many samples, repetitions included.
        chosen: the winner is one of them.
        writable: whether a test can be written with it.
    """

    value: str
    raises: bool
    candidates: tuple[int, ...]
    weight: int
    chosen: bool
    writable: bool


@frozen
class OpenQuestion:
    """An input to which candidates that pass all tests give different answers: the tests do not say which is right.

    Attributes:
        call: as a Python expression, `f([1, 2])`; name: of the function, as `module` has it.
        answers: the winner's first, then the ones that more samples give.
        recorded: the tests themselves use this input, without looking at what differs.
        test_file: absolute path of the file that a test for it belongs to; framework: `pytest` or `unittest`.
        is_async: the function has to be awaited.
    """

    call: str
    name: str
    module: str
    answers: tuple[Answer, ...]
    recorded: bool
    test_file: str
    framework: str
    is_async: bool = False


@frozen
class Outcome:
    """Last of every run.

    Attributes:
        passed: a winner was found and confirmed.
        tests_passed, tests_total: of the winner, or of the best attempt.
        candidates: how many there were; a body that was there before is the first of them.
        tokens: sampled by all of them.
        energy_wh: watt-hours; energy_label: `measured (RAPL)`, `estimated`, or which part is which; energy_phases:
            watt-hours by phase (`prompt`, `decode`, `tests`).
        cost: money for that energy, in `currency`; None where the user has set no price.
        edit: unified diff, or None if nothing passed.
        reason: why there is no winner; empty if there is.
        proof: one line to label the edit with; empty without a winner.
        winner: the winning candidate's number.
        best: what came nearest, without a winner.
        record: file that keeps the run, or empty; unrecorded: why it is not kept, empty if it is.
        went_on: what failed in the run, and what went on in its place.
        untested: names of stubs of a class or file that no test reaches; they were left alone.
        decided_by: what the winner was accepted by besides its tests: `split`, `twin`, or `tests` alone.
        open_question: what the tests leave open, as the candidates that pass show it; None if nothing is known.
        doubt: why the winner may be wrong, although it passes: nothing but few tests speaks for it; empty if more does.
        overfit_suspect: why the winner may be fitted to the tests' own inputs; empty if nothing says so.
        base: the document's text that the edits are for: the one the winner was confirmed against.
        edits, text, solution: the winner's edits, the text after them, and what `Engine.reapply` needs to put it
            into a text that has changed since.
        still_so: whether all that the proof is about is as it was, on disk and in buffers; for whoever applies the
            edits later than at once.  This, `base` and the edits are not part of the JSON.
    """

    passed: bool
    tests_passed: int
    tests_total: int
    candidates: int
    seconds: float
    tokens: int
    energy_wh: float
    energy_label: str
    edit: str | None
    reason: str
    proof: str = ""
    winner: int | None = None
    best: BestAttempt | None = None
    record: str = ""
    unrecorded: str = ""
    energy_phases: dict[str, float] = field(factory=dict)
    cost: float | None = None
    currency: str = ""
    went_on: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()
    decided_by: str = ""
    doubt: str = ""
    overfit_suspect: str = ""
    open_question: OpenQuestion | None = None
    base: str = ""
    edits: tuple[TextEdit, ...] = ()
    text: str = ""
    solution: Solution | None = None
    still_so: Callable[[], bool] = field(default=lambda: True, eq=False, repr=False)


Event = (
    RunStarted
    | StageStarted
    | JudgeFound
    | ModelReady
    | WentOn
    | CandidateStarted
    | CandidateGrew
    | CandidateRejected
    | CandidateTested
    | Outcome
)

_NOT_IN_JSON = {"base", "edits", "text", "solution", "still_so"}


def as_json(event: Event) -> dict[str, Any]:
    """The event as plain data; `event` names its kind (`candidate_tested`, `outcome`)."""
    name = "".join(f"_{c.lower()}" if c.isupper() else c for c in type(event).__name__).lstrip("_")
    keep = lambda attribute, _value: attribute.name not in _NOT_IN_JSON  # noqa: E731 - a filter in place reads best
    return {"event": name, **attrs.asdict(event, filter=keep, value_serializer=_plain)}


def _plain(_instance: Any, _attribute: Any, value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
