"""Carries out a policy's decisions: candidates from their first token to their verdict, any number at once."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import anyio
from attrs import asdict, evolve, field, frozen

from engine.candidate import Candidate
from engine.config import Settings
from engine.errors import GenerationError, GreenfinchError
from engine.events import CandidateRejected, CandidateStarted, CandidateTested, Event, JudgeFound, Origin
from engine.judgement import Trial
from engine.languages.base import Solution
from engine.machine.cpus import usable_cores, workers_for_tests
from engine.sampling import PLAN_TOKENS, Sampler
from engine.search import Attempt, Decision, Policy, Repair, State, decide, width_after
from engine.verification.base import Baseline, Judge, TestOutcome, TestResult, Verdict
from engine.verification.gate import Gate, Refused

_METER_EVERY = 60.0
"""Seconds: meters are asked as often at least, since their counters wrap around (`energy.rapl`)."""
_LOOK_AGAIN = 0.5  # seconds after which the policy is asked again, though nothing has happened but time
_MENDABLE = ("NameError", "ImportError", "ModuleNotFoundError", "TypeError", "SyntaxError", "AttributeError",
             "UnboundLocalError", "IndentationError")  # fmt: skip


@frozen
class Telling:
    """Where a run's events go, and the lines that only its record keeps."""

    emit: Callable[[Event], None]
    record: Callable[..., None]


@frozen
class Models:
    """What candidates are sampled by.

    Attributes:
        larger: makes the larger model ready; None if there is none.
        watt_hours: what the run has used so far.
        parameters: of the sampler's model; 0 if that is not known.
    """

    sampler: Sampler
    larger: Callable[[], Awaitable[Sampler]] | None = None
    watt_hours: Callable[[], Awaitable[float]] = field(default=lambda: _no_energy())
    parameters: int = 0


async def _no_energy() -> float:
    return 0.0


class Searching:
    """The candidates of one run.

    Attributes:
        candidates: all of them, by number.
        trial: what tests are run with; judge: as far as it is known now.
        test_cpu: CPU seconds that tests have used.
        sampling_error: the last error of a backend.
        failure: what ended the search that is no candidate's fault.
    """

    def __init__(
        self, settings: Settings, policy: Policy, trial: Trial, baseline: Baseline, telling: Telling, *,
        python: str, started: float, seed: int,
    ) -> None:  # fmt: skip
        self.candidates: list[Candidate] = []
        self.judge: Judge = baseline.judge
        self.test_cpu = 0.0
        self.sampling_error: GreenfinchError | None = None
        self.failure: Exception | None = None
        self.slots = anyio.CapacityLimiter(workers_for_tests(usable_cores()))
        self.trial = trial
        self._settings, self._policy, self._baseline = settings, policy, baseline
        self._tell, self._python = telling, python
        self._started, self._seed = started, seed
        self._changed = anyio.Event()
        self._running: dict[int, anyio.CancelScope] = {}
        self._larger_ready: Sampler | None = None
        self._no_larger = False
        self._warm = False
        self._watt_hours = 0.0
        self._metered = 0.0
        self._kills: dict[str, int] = {}

    # -- the policy's side

    async def until_over(self, models: Models, gate: Gate, tasks: anyio.abc.TaskGroup) -> None:
        """Start what the policy wants, until it says that this is enough.

        What was dropped in its tests when it seemed to be enough, and was not, is tested first: it would be refused as
        a repetition if it were sampled again.
        """
        for candidate in self.candidates:
            if candidate.was_dropped_in_its_tests:
                candidate.attempt = evolve(candidate.attempt, status="testing")
                tasks.start_soon(self._carry_out, candidate, partial(self.test, candidate, models))
        while self.failure is None:
            if self._settings.budget_wh or self._now() - self._metered >= _METER_EVERY:
                self._watt_hours, self._metered = await models.watt_hours(), self._now()
            step = decide(self._policy, self.state(models))
            for decision in step.start:
                candidate = self._start(decision)
                tasks.start_soon(self._carry_out, candidate, partial(self._attempt, candidate, decision, models, gate))
            if step.over:
                break
            with anyio.move_on_after(_LOOK_AGAIN):
                await self._changed.wait()
            self._changed = anyio.Event()

    def is_over(self, models: Models) -> bool:
        """Whether the policy wants nothing more; what was dropped in its tests would come there again."""
        state = self.state(models)
        again = {c.attempt.number for c in self.candidates if c.was_dropped_in_its_tests}
        attempts = (evolve(a, status="testing") if a.number in again else a for a in state.attempts)
        return decide(self._policy, evolve(state, attempts=tuple(attempts))).over

    def drop_running(self) -> None:
        """End what still runs: its outcome is of no interest any more."""
        for scope in self._running.values():
            scope.cancel()

    def state(self, models: Models) -> State:
        """What the policy is told."""
        settings = self._settings
        functions = len(self.trial.target.functions)
        base = self._baseline.verdict
        width = width_after(self._tried())
        return State(
            attempts=tuple(self._so_far(c.attempt, models) for c in self.candidates),
            limit=settings.candidates,
            width=width,
            backlog=width + int(self.slots.total_tokens),
            temperature=settings.temperature,
            tokens_each=settings.max_tokens * functions + PLAN_TOKENS,
            seconds=self._now(),
            budget_seconds=settings.budget_seconds,
            budget_tokens=settings.budget_tokens,
            watt_hours=self._watt_hours,
            budget_wh=settings.budget_wh,
            test_seconds=base.seconds,
            base=tuple(result.passed for result in base.results),
            larger=models.larger is not None and not self._no_larger,
            parameters=models.parameters,
            seed=self._seed,
        )

    @staticmethod
    def _so_far(attempt: Attempt, models: Models) -> Attempt:
        sampling = attempt.status == "sampling"
        return evolve(attempt, tokens=models.sampler.spent.get(attempt.number, 0)) if sampling else attempt

    def _now(self) -> float:
        return time.monotonic() - self._started

    # -- one candidate

    def add_existing(self, solution: Solution, text: str) -> None:
        """The target's own body joins as the first candidate; the baseline is its verdict."""
        verdict = self._baseline.verdict
        candidate = Candidate(Attempt(1, "failed"), "existing", None, solution, text, verdict)
        candidate.attempt = self._judged(candidate.attempt, verdict)
        self.candidates.append(candidate)
        self._tell.emit(CandidateStarted(1, "existing"))
        self._tell_verdict(candidate, verdict)
        self._record_attempt(candidate)

    def add(self, solution: Solution, text: str) -> Candidate:
        """A given text as the one candidate."""
        candidate = Candidate(Attempt(1, "testing"), "sampled", None, solution, text)
        self.candidates.append(candidate)
        return candidate

    def _start(self, decision: Decision) -> Candidate:
        parent = decision.parent if isinstance(decision, Repair) else None
        origin: Origin = "repaired" if parent else "sampled" if decision.temperature else "greedy"
        number = len(self.candidates) + 1
        candidate = Candidate(Attempt(number, "sampling", decision), origin)
        candidate.started = self._now()
        self.candidates.append(candidate)
        variant = "plain" if isinstance(decision, Repair) else decision.variant
        self._tell.emit(CandidateStarted(number, origin, parent, variant, decision.larger))
        return candidate

    async def _carry_out(self, candidate: Candidate, work: Callable[[], Awaitable[object]]) -> None:
        """What there is to do for a candidate, up to its verdict; what goes wrong beyond it ends the run."""
        number = candidate.attempt.number
        try:
            with anyio.CancelScope() as scope:
                self._running[number] = scope
                await work()
        except Exception as error:  # raised again by the driver, without the task group's wrapping
            self.failure = error
        finally:  # also where the whole search is cancelled
            self._running.pop(number, None)
            if candidate.attempt.running:
                candidate.attempt = evolve(candidate.attempt, status="dropped")
            self._record_attempt(candidate)
            self._changed.set()

    async def _attempt(self, candidate: Candidate, decision: Decision, models: Models, gate: Gate) -> None:
        number = candidate.attempt.number
        parent = self.candidates[decision.parent - 1] if isinstance(decision, Repair) else None
        try:
            sampler = models.sampler if not decision.larger else await self._larger(models)
            candidate.sampled = await sampler.sample(
                number, decision, parent.solution if parent else None, parent.failure if parent else None
            )
        except GreenfinchError as error:  # a model's file that is gone, too: others may be in their tests
            self.sampling_error = error
            self._refuse(candidate, Refused(f"sampling failed: {error.what}"))
            return
        finally:
            candidate.sampling_seconds = self._now() - candidate.started
            tokens = models.sampler.spent.get(number, 0)
            candidate.attempt = evolve(candidate.attempt, tokens=tokens)
        if candidate.sampled.problem:
            self._refuse(candidate, Refused(candidate.sampled.problem))
            return
        candidate.attempt = evolve(candidate.attempt, logprob=candidate.sampled.logprob)
        drafted = Solution(candidate.sampled.bodies, candidate.sampled.imports)
        admitted = await anyio.to_thread.run_sync(gate.judge, number, drafted)
        self._tell.record("candidate_text", number=number, bodies=candidate.sampled.bodies)
        if isinstance(admitted, Refused):
            self._refuse(candidate, admitted, drafted)
            return
        candidate.solution, candidate.text = admitted.solution, admitted.text
        candidate.attempt = evolve(candidate.attempt, status="testing")
        self._changed.set()
        await self.test(candidate, models)

    async def _larger(self, models: Models) -> Sampler:
        """Raises: GenerationError, after which there is no larger model for this run."""
        if self._larger_ready is None:
            assert models.larger is not None  # noqa: S101 - or the policy would not ask for it
            try:
                self._larger_ready = await models.larger()
            except GreenfinchError as error:
                self._no_larger = True
                raise GenerationError(f"the larger model cannot be used: {error.what}", remedy=error.remedy) from error
        return self._larger_ready

    async def test(self, candidate: Candidate, models: Models | None = None) -> bool:
        """The verdict on an admitted candidate: whether it passed.

        In a search (with `models`) the policy says, when its turn has come, whether all tests are run although one has
        failed; else those come first that have refused most candidates.
        """
        assert candidate.solution is not None  # noqa: S101 - what has no solution is not tested
        async with self.slots:
            whole = models is None or self._policy.wants_vector(self.state(models))
            bodies = tuple(candidate.solution.bodies.values())
            first = () if whole else sorted(self._kills, key=lambda test: -self._kills[test])
            judge, verdict = await self.trial.run(self.judge, candidate.text, bodies, whole=whole, first=first)
        self.test_cpu += verdict.cpu_seconds
        narrowed = _narrowed(self.judge, judge)
        if narrowed != self.judge:
            self.tell_judge(narrowed)
        candidate.verdict = verdict
        for result in verdict.results:
            if result.outcome in (TestOutcome.FAILED, TestOutcome.ERROR):
                self._kills[result.id] = self._kills.get(result.id, 0) + 1
        abandoned = not whole and any(r.outcome is TestOutcome.MISSING for r in verdict.results)
        candidate.attempt = evolve(self._judged(candidate.attempt, verdict), whole=not abandoned)
        self._tell_verdict(candidate, verdict)
        if models is not None and not verdict.passed and not self._warm and self._settings.candidates > 1:
            self._warm = True
            self.trial.keep_warm(self._baseline)  # there will be others
        return verdict.passed

    def _judged(self, attempt: Attempt, verdict: Verdict) -> Attempt:
        failure = verdict.first_failure
        now = self._now()
        began = self.candidates[attempt.number - 1].started if attempt.number <= len(self.candidates) else now
        return evolve(
            attempt,
            status="passed" if verdict.passed else "failed",
            vector=tuple(result.passed for result in verdict.results),
            failed_fast=failure is not None and failure.message.startswith(_MENDABLE),
            seconds=now - began,
            ended=now,
        )

    def withdraw(self, candidate: Candidate, reason: str) -> None:
        """It has passed, and was refused when it was judged again: no pass, and no parent for repairs either."""
        candidate.attempt = evolve(candidate.attempt, status="refused", vector=())
        candidate.reason = reason
        self._record_attempt(candidate)

    def suspect(self, candidate: Candidate) -> None:
        """It passes, and seems to be fitted to the tests' own inputs: another one would be better."""
        candidate.attempt = evolve(candidate.attempt, suspected_at=self._now())
        self._record_attempt(candidate)

    def _refuse(self, candidate: Candidate, refused: Refused, drafted: Solution | None = None) -> None:
        """It is over with this candidate; but what only lacks a name or does not parse can be mended."""
        now = self._now()
        mendable = refused.mendable and drafted is not None
        candidate.attempt = evolve(
            candidate.attempt,
            status="failed" if mendable else "refused",
            vector=(False,) * len(self.judge.tests) if mendable else (),
            failed_fast=mendable,
            same_as=refused.same_as,
            seconds=now - candidate.started,
            ended=now,
        )
        if mendable:
            candidate.solution = drafted
            candidate.refusal = TestResult("", TestOutcome.ERROR, message=refused.reason)
        candidate.reason = refused.reason
        self._changed.set()
        self._tell.emit(CandidateRejected(candidate.attempt.number, refused.reason, candidate.attempt.tokens))

    # -- telling

    def tell_judge(self, judge: Judge) -> None:
        """The judge, at first and each time that tests had to be left out of it; with what the baseline says of it."""
        self.judge = judge
        before = self._baseline.verdict
        deciding = set(judge.tests)
        self._tell.emit(
            JudgeFound(
                tests=len(judge.tests),
                failing=sum(not result.passed for result in before.results if result.id in deciding),
                files=tuple(self.trial.request.relative(file) for file in judge.files),
                framework=judge.framework,
                python=self._python,
                sandbox=self.trial.verifier.level,
                seconds=before.seconds,
                blocked=dict(judge.blocked),
                excluded=dict(judge.excluded),
                warnings=self._baseline.warnings,
                sandbox_detail=self.trial.verifier.level_detail,
            )
        )

    def _tell_verdict(self, candidate: Candidate, verdict: Verdict) -> None:
        number, failure = candidate.attempt.number, verdict.first_failure
        self._tell.record(
            "verdict", number=number, results=[asdict(result) for result in verdict.results], output=verdict.output,
            reason=verdict.reason, decided_by=verdict.decided_by, warm=verdict.warm,
        )  # fmt: skip
        message = verdict.reason if verdict.timed_out or failure is None else failure.message or verdict.reason
        self._tell.emit(
            CandidateTested(
                number,
                verdict.passed,
                verdict.tests_passed,
                verdict.tests_total,
                message,
                verdict.seconds,
                candidate.attempt.tokens,
                max(c.attempt.tests_passed for c in self.candidates),
                self._tried(),
                candidate.attempt.whole,
            )
        )

    def _record_attempt(self, candidate: Candidate) -> None:
        """All that a policy could know of it, for replays."""
        attempt, verdict = candidate.attempt, candidate.verdict
        told: Mapping[str, Any] = asdict(attempt)
        imports = candidate.solution.imports if candidate.solution else ()
        self._tell.record(
            "attempt", **told, kind=type(attempt.decision).__name__.lower(), origin=candidate.origin,
            sampling_seconds=round(candidate.sampling_seconds, 3), reason=candidate.reason, imports=imports,
            test_seconds=round(verdict.seconds, 3) if verdict else 0.0,
            new_chars=candidate.sampled.new_chars if candidate.sampled else 0,
        )  # fmt: skip

    def _tried(self) -> int:
        return sum(c.attempt.status in {"refused", "failed", "passed"} for c in self.candidates)


def _narrowed(judge: Judge, found: Judge) -> Judge:
    """Without the tests that one candidate has shown to be blocked: another one, which began before, knows nothing of
    those that were left out meanwhile.
    """
    new = found.blocked.keys() - judge.blocked.keys()
    if not new:
        return judge
    if judge.blocked.keys() <= found.blocked.keys():
        return found
    return evolve(
        judge,
        tests=tuple(test for test in judge.tests if test not in new),
        blocked={**judge.blocked, **found.blocked},
    )
