"""What a run knows of one candidate, and of the one that won."""

from __future__ import annotations

from attrs import mutable

from engine.events import Origin
from engine.languages.base import Solution, Target
from engine.sampling import Sampled
from engine.search import Attempt
from engine.verification.base import TestResult, Verdict
from engine.verification.strict import Strict
from engine.workspace import Evidence


@mutable
class Candidate:
    """One candidate, from its first token on.

    Attributes:
        attempt: what the policy sees of it.
        solution, text: once the gate has admitted it: its bodies and imports, and the whole document with them.
        verdict: once it was tested.
        refusal: what the gate has against it, where a repair may mend that.
        reason: why it was refused, in one line.
        started: when, in seconds of the run; sampling_seconds: what its text took.
        unstable: it passed, and tests of its failed in a fresh run.
    """

    attempt: Attempt
    origin: Origin
    sampled: Sampled | None = None
    solution: Solution | None = None
    text: str = ""
    verdict: Verdict | None = None
    unstable: bool = False
    refusal: TestResult | None = None
    reason: str = ""
    started: float = 0.0
    sampling_seconds: float = 0.0

    @property
    def withdrawn(self) -> bool:
        """It passed, and was refused when it was judged again."""
        return self.attempt.status == "refused" and self.verdict is not None

    @property
    def was_dropped_in_its_tests(self) -> bool:
        """The search seemed to be over before it had its verdict."""
        return self.attempt.status == "dropped" and self.solution is not None

    @property
    def failure(self) -> TestResult | None:
        """What a repair is shown."""
        return self.verdict.first_failure if self.verdict is not None else self.refusal


@mutable
class Winner:
    """A candidate that was accepted the strict way, on exactly `text`: `base` with `solution` in the target's place.

    Attributes:
        target: with the functions that `solution` fills.
        untested: names of stubs that no test reaches; they were left as they are.
        strict: how it was decided.
        evidence: what the deciding runs were about.
    """

    candidate: Candidate
    solution: Solution
    base: str
    text: str
    target: Target
    strict: Strict
    untested: tuple[str, ...]
    evidence: Evidence
