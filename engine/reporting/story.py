"""From the lines of a record to what happened, in order and complete: plain data, without any form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any, Literal

from attrs import define, field

from engine.wording import tests_score

Status = Literal["passed", "failed", "rejected", "cut off"]
Line = Mapping[str, Any]


@define
class Told:
    """One candidate.

    Attributes:
        began, sampled, tested: seconds since the run's start at which it was begun, its text was there, and its tests
            had ended; None: it did not come to that.  dropped: when it was ended before its text was there, if it was.
        test_seconds: what its tests took.
        status: `cut off`: the run ended before it did.
        reason: why it was rejected, or its first failure in one line.
        detail: the first failure in full.
        results: (outcome, message) by test.
    """

    number: int
    origin: str = ""
    parent: int | None = None
    variant: str = "plain"
    larger: bool = False
    began: float = 0.0
    sampled: float | None = None
    tested: float | None = None
    dropped: float | None = None
    test_seconds: float = 0.0
    tokens: int = 0
    status: Status = "cut off"
    reason: str = ""
    detail: str = ""
    bodies: dict[str, str] = field(factory=dict)
    results: dict[str, tuple[str, str]] = field(factory=dict)
    tests_passed: int = 0
    tests_total: int = 0
    whole: bool = True

    @property
    def score(self) -> str:
        """How many tests it passed, in words, or what else became of it."""
        return tests_score(self.tests_passed, self.tests_total, self.whole) if self.tests_total else self.status

    @property
    def how(self) -> str:
        """Its origin, in words."""
        words = [f"repair of {self.parent}" if self.parent is not None else self.origin or "sampled"]
        if self.variant != "plain":
            words.append(f"asked with {self.variant}" if self.variant == "steps" else self.variant)
        return ", ".join([*words, *(["larger model"] if self.larger else [])])


@define
class Story:
    """One run.

    Attributes:
        ending: `passed`, `failed`, `refused`, `cancelled`, or `broken off`.
        said: the proof, or why it ended as it did; remedy: what to do about it.
        judged, confirming, ended: seconds at which the judge was known, the winner's confirmation began, and all ended.
        confirmed: when the confirmations that ended well began and ended, by candidate.
        edit: the winner's unified diff, or the best attempt's.
        tests: all that any verdict names, in order.
    """

    run: str = ""
    started: str = ""
    target: str = ""
    path: str = ""
    strategy: str = ""
    budget_seconds: float = 0.0
    ending: str = "broken off"
    said: str = ""
    remedy: str = ""
    winner: int | None = None
    best: int | None = None
    edit: str = ""
    decided_by: str = ""
    suspect: str = ""
    doubt: str = ""
    untested: list[str] = field(factory=list)
    judge: dict[str, Any] = field(factory=dict)
    model: str = ""
    where: str = ""
    went_on: list[str] = field(factory=list)
    seconds: float = 0.0
    judged: float | None = None
    model_ready: float | None = None
    confirming: float | None = None
    confirmed: dict[int, tuple[float, float]] = field(factory=dict)
    tokens: int = 0
    energy_wh: float = 0.0
    energy_label: str = ""
    energy_phases: dict[str, float] = field(factory=dict)
    cost: float | None = None
    currency: str = ""
    tests: list[str] = field(factory=list)
    candidates: list[Told] = field(factory=list)
    settings: dict[str, Any] = field(factory=dict)
    versions: dict[str, str] = field(factory=dict)

    def candidate(self, number: int) -> Told:
        """The candidate of that number; made if it is new."""
        for told in self.candidates:
            if told.number == number:
                return told
        self.candidates.append(Told(number))
        return self.candidates[-1]


def read_story(lines: Iterable[Line]) -> Story:
    """What a record tells.  Lines of unknown kinds are passed over, and a record may end anywhere."""
    story, at = Story(), 0.0
    for line in lines:
        kind = str(line.get("event", ""))
        own = kind in {"judge_found", "candidate_tested", "attempt", "outcome"}  # these tell of a length as `seconds`
        at = at if own else max(at, float(line.get("seconds") or 0.0))
        reader = _READERS.get(kind)
        if reader is not None:
            reader(story, line, at)
    story.seconds = story.seconds or at
    return story


def _record(story: Story, line: Line, _at: float) -> None:
    target = line.get("target") or {}
    path, root = str(target.get("path", "")), str(target.get("root") or "")
    inside = root and PurePath(path).is_relative_to(root)
    story.run, story.started = str(line.get("run", "")), str(line.get("started", ""))
    story.path = PurePath(path).relative_to(root).as_posix() if inside else path
    story.target = str(target.get("qualname", ""))
    story.settings, story.versions = dict(line.get("settings") or {}), dict(line.get("versions") or {})


def _run_started(story: Story, line: Line, _at: float) -> None:
    story.target = str(line.get("target", story.target))
    story.strategy, story.budget_seconds = str(line.get("strategy", "")), float(line.get("budget_seconds", 0.0))
    story.path = story.path or str(line.get("path", ""))


def _stage(story: Story, line: Line, at: float) -> None:
    if line.get("stage") == "search":
        story.judged = story.judged or at
        story.confirming = None  # it goes on after a confirmation
    if line.get("stage") == "confirm":
        story.confirming = at
        for told in story.candidates:
            if told.sampled is None and told.tested is None and told.dropped is None:
                told.dropped = at


def _judge(story: Story, line: Line, _at: float) -> None:
    story.judge = dict(line)


def _model(story: Story, line: Line, at: float) -> None:
    info = line.get("info") or {}
    model = str(info.get("model", ""))
    story.model = f"{story.model}, then {model}" if story.model and story.model != model else model
    story.where = str(info.get("where", ""))
    story.model_ready = at if story.model_ready is None else story.model_ready


def _went_on(story: Story, line: Line, _at: float) -> None:
    story.went_on.append(str(line.get("how", "")))


def _started(story: Story, line: Line, at: float) -> None:
    told = story.candidate(int(line["number"]))
    told.origin, told.parent, told.began = str(line.get("origin", "")), line.get("parent"), at
    told.variant, told.larger = str(line.get("variant", "plain")), bool(line.get("larger"))
    story.confirming = None  # of an earlier one, which was refused or not the best


def _text(story: Story, line: Line, at: float) -> None:
    told = story.candidate(int(line["number"]))
    told.bodies, told.sampled = {str(name): str(body) for name, body in (line.get("bodies") or {}).items()}, at


def _rejected(story: Story, line: Line, at: float) -> None:
    told = story.candidate(int(line["number"]))
    told.status, told.reason, told.tokens = "rejected", str(line.get("reason", "")), int(line.get("tokens", 0))
    told.sampled = told.sampled or at


def _verdict(story: Story, line: Line, at: float) -> None:
    told = story.candidate(int(line["number"]))
    told.tested = at
    known = dict.fromkeys(story.tests)
    for result in line.get("results") or ():
        test = str(result["id"])
        told.results[test] = (str(result["outcome"]), str(result.get("message", "")))
        known.setdefault(test)
        if result["outcome"] != "passed" and not told.detail:
            told.detail = f"{test}\n{result.get('detail') or result.get('message') or ''}".strip()
    story.tests = list(known)


def _decided(story: Story, line: Line, at: float) -> None:
    if story.confirming is not None:
        story.confirmed[int(line["number"])] = story.confirming, at


def _tested(story: Story, line: Line, _at: float) -> None:
    told = story.candidate(int(line["number"]))
    told.status = "passed" if line.get("passed") else "failed"
    told.reason, told.tokens = str(line.get("message", "")), int(line.get("tokens", 0))
    told.test_seconds = float(line.get("seconds") or 0.0)
    told.tests_passed, told.tests_total = int(line.get("tests_passed", 0)), int(line.get("tests_total", 0))
    told.whole = bool(line.get("whole", True))


def _outcome(story: Story, line: Line, _at: float) -> None:
    story.ending = "passed" if line.get("passed") else "failed"
    story.said = str(line.get("proof") or line.get("reason") or "")
    best = line.get("best") or {}
    story.winner, story.best = line.get("winner"), best.get("number")
    story.edit = str(line.get("edit") or best.get("diff") or "")
    story.decided_by, story.suspect = str(line.get("decided_by", "")), str(line.get("overfit_suspect", ""))
    story.doubt = str(line.get("doubt", ""))
    story.untested = [str(name) for name in line.get("untested") or ()]
    story.seconds, story.tokens = float(line.get("seconds") or 0.0), int(line.get("tokens", 0))
    story.energy_wh, story.energy_label = float(line.get("energy_wh") or 0.0), str(line.get("energy_label", ""))
    story.energy_phases = dict(line.get("energy_phases") or {})
    story.cost, story.currency = line.get("cost"), str(line.get("currency", ""))


def _error(story: Story, line: Line, _at: float) -> None:
    story.ending, story.said, story.remedy = "refused", str(line.get("what", "")), str(line.get("remedy", ""))


def _cancelled(story: Story, _line: Line, _at: float) -> None:
    story.ending, story.said = "cancelled", "The run was cancelled; nothing was changed."


_READERS = {
    "record": _record, "run_started": _run_started, "stage_started": _stage, "judge_found": _judge,
    "model_ready": _model, "went_on": _went_on, "candidate_started": _started, "candidate_text": _text,
    "candidate_rejected": _rejected, "decided": _decided,
    "verdict": _verdict, "candidate_tested": _tested, "outcome": _outcome, "error": _error, "cancelled": _cancelled,
}  # fmt: skip
