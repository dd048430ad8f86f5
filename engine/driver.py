"""Drives one run: finds the judge, carries out the policy's decisions, confirms the winner, keeps the record.

It decides nothing itself: what to sample is `search`'s matter, whether a text passes is `verification`'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
from attrs import asdict, evolve

from engine.candidate import Candidate, Winner
from engine.conclusion import Ending, conclude
from engine.config import Settings
from engine.confirmation import confirm
from engine.energy import Energy, Meter
from engine.errors import GenerationError, GreenfinchError, TargetNotFoundError
from engine.events import (
    CandidateRejected,
    CandidateStarted,
    CandidateTested,
    Event,
    JudgeFound,
    ModelReady,
    Origin,
    Outcome,
    RunStarted,
    StageStarted,
    as_json,
)
from engine.generation.base import Generator
from engine.judgement import Trial, find_baseline
from engine.languages import language_for
from engine.languages.base import Language, Solution
from engine.prompting import build_prompt
from engine.record import Recorder, header, new_run_id
from engine.request import ImplementRequest
from engine.sampling import Sampler
from engine.search import Attempt, Decision, Repair, State, decide
from engine.tasks import both
from engine.verification.base import Baseline, Judge
from engine.verification.gate import Gate, Refused
from engine.verification.interpreter import Interpreter, find_interpreter
from engine.verification.verifier import Verifier
from engine.workspace import Snapshot

_WIDTH = 4  # candidates sampled at once
_TEST_WORKERS = 1  # generation and tests share few cores: one run of the tests at a time
_MENDABLE = ("NameError", "ImportError", "ModuleNotFoundError", "TypeError", "SyntaxError", "AttributeError",
             "UnboundLocalError", "IndentationError")  # fmt: skip


class Run:
    """One run, from a target to its outcome.  Made anew for each; not to be driven twice."""

    def __init__(
        self,
        settings: Settings,
        generator: Callable[[], Generator],
        request: ImplementRequest,
        seed: int,
        emit: Callable[[Event], None],
    ) -> None:
        self._settings = settings
        self._make_generator = generator
        self._request = request
        self._path = request.path
        self._seed = seed
        self._listener = emit
        self._id = new_run_id()
        self._recorder: Recorder | None = None
        self._started = time.monotonic()
        self._candidates: list[Candidate] = []
        self._changed = anyio.Event()
        self._test_slots = anyio.CapacityLimiter(_TEST_WORKERS)
        self._test_cpu = 0.0
        self._sampling_error: GreenfinchError | None = None
        self._failure: Exception | None = None
        self._stale: Candidate | None = None
        self._spent: Mapping[int, int] = {}

    # -- the whole

    async def drive(self, solution: Solution | None = None) -> None:
        """Carry the run out; with `solution`, only confirm that one.  The last event emitted is an `Outcome`.

        Raises:
            GreenfinchError: it could not be carried out.
        """
        language = language_for(self._path)
        if language is None:
            raise TargetNotFoundError(f"{self._path.name} is not in a language that Greenfinch knows.")
        self._language: Language = language
        snapshot = Snapshot.take(self._request)
        self._base = snapshot.text
        self._target = language.target_named(self._path, snapshot.text, self._request.qualname)
        self._recorder = Recorder(self._id, secret_variables=[self._settings.endpoint_key_env])
        self._recorder.write(
            header(
                self._id,
                settings=self._settings,
                target={
                    "path": self._path,
                    "qualname": self._target.qualname,
                    "kind": self._target.kind,
                    "root": self._request.root,
                    "seed": self._seed,
                },
                texts={str(path): text for path, text in {**snapshot.overlays, self._path: snapshot.text}.items()},
            )
        )
        self._emit(
            RunStarted(
                self._id, self._target.label, str(self._path), self._settings.strategy, self._settings.budget_seconds
            )
        )
        meter = Meter(self._settings.cpu_watts)
        meter.start()
        try:
            outcome = await (self._search(snapshot, meter) if solution is None else self._reapply(solution, meter))
        except GreenfinchError as error:
            self._record("error", what=error.what, remedy=error.remedy)
            raise
        except anyio.get_cancelled_exc_class():
            self._record("cancelled")
            raise
        finally:
            self._recorder.close()
        self._listener(outcome)

    async def _search(self, snapshot: Snapshot, meter: Meter) -> Outcome:
        generator = self._make_generator()
        self._emit(StageStarted("tests", "looking for the tests that reach it"))
        interpreter = await self._interpreter()
        async with Verifier(self._request.root, interpreter, self._settings) as verifier:
            cpu_before: float | None = None

            async def find_judge() -> Baseline:
                return await self._baseline(verifier, interpreter, snapshot)

            async def prepare_model() -> None:
                nonlocal cpu_before
                info = await generator.prepare()
                cpu_before = await generator.cpu_seconds()
                self._emit(ModelReady(info))

            baseline, _ = await both(find_judge, prepare_model)
            winner = await self._candidates_until_passed(verifier, baseline, snapshot, generator)
            cpu_after = await generator.cpu_seconds()
        winner = self._if_still_so(winner)
        model_cpu = (cpu_after or 0.0) - (cpu_before or 0.0) if cpu_after is not None else 0.0
        return self._outcome(winner, meter.read(max(0.0, model_cpu) + self._test_cpu))

    async def _reapply(self, solution: Solution, meter: Meter) -> Outcome:
        interpreter = await self._interpreter()
        async with Verifier(self._request.root, interpreter, self._settings) as verifier:
            snapshot = Snapshot.take(self._request)
            baseline = await self._baseline(verifier, interpreter, snapshot)
            text = self._language.render(snapshot.text, self._target, solution)
            candidate = Candidate(Attempt(1, "testing"), "sampled", None, solution, text)
            self._candidates.append(candidate)
            trial = self._trial(verifier, baseline, snapshot)
            winner = await self._confirm(trial, baseline, candidate) if await self._test(trial, candidate) else None
        return self._outcome(self._if_still_so(winner), meter.read(self._test_cpu))

    # -- the judge

    async def _interpreter(self) -> Interpreter:
        request = self._request
        return await find_interpreter(
            request.root, request.path, setting=self._settings.python, hint=request.python_hint
        )

    async def _baseline(self, verifier: Verifier, interpreter: Interpreter, snapshot: Snapshot) -> Baseline:
        baseline = await find_baseline(verifier, self._language, self._target, self._request, snapshot)
        self._found = baseline
        self._test_cpu += baseline.verdict.cpu_seconds
        self._python, self._sandbox = interpreter.label, verifier.level
        failing = baseline.verdict.tests_total - baseline.verdict.tests_passed
        self._tell_judge(baseline.judge, failing, baseline.verdict.seconds, baseline.warnings)
        return baseline

    def _trial(self, verifier: Verifier, baseline: Baseline, snapshot: Snapshot) -> Trial:
        limit = baseline.time_limit
        return Trial.of(verifier, self._language, self._target, self._request, snapshot, limit)

    def _tell_judge(self, judge: Judge, failing: int, seconds: float, warnings: tuple[str, ...] = ()) -> None:
        self._judge = judge
        self._emit(
            JudgeFound(
                tests=len(judge.tests),
                failing=failing,
                files=tuple(self._request.relative(file) for file in judge.files),
                framework=judge.framework,
                python=self._python,
                sandbox=self._sandbox,
                seconds=seconds,
                blocked=dict(judge.blocked),
                excluded=dict(judge.excluded),
                warnings=warnings,
            )
        )

    # -- the search

    async def _candidates_until_passed(
        self, verifier: Verifier, baseline: Baseline, snapshot: Snapshot, generator: Generator
    ) -> Winner | None:
        sources = [snapshot.read(file) for file in baseline.judge.files]
        prompt = build_prompt(self._language, snapshot.text, self._target, sources, baseline.judge.tests)
        self._record("prompt", messages=[asdict(m) for m in prompt.messages])
        sampler = Sampler(generator, self._language, prompt, self._settings, self._seed, self._listener)
        self._spent = sampler.spent
        gate = Gate(self._language, snapshot.text, self._target, sources)
        trial = self._trial(verifier, baseline, snapshot)
        self._emit(StageStarted("search", f"implementing {self._target.label}"))
        left = self._settings.budget_seconds - (time.monotonic() - self._started)
        deadline = anyio.current_time() + max(1.0, left)
        winner: Winner | None = None
        async with anyio.create_task_group() as tasks:
            while winner is None and self._stale is None and self._failure is None:
                with anyio.CancelScope(deadline=deadline):
                    await self._until_passed(lambda c, d: tasks.start_soon(self._try, c, d, sampler, gate, trial))
                passed = next((c for c in self._candidates if c.attempt.status == "passed"), None)
                if passed is None:
                    break
                winner = await self._confirm(trial, baseline, passed)  # not given up for want of time
            tasks.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure
        if winner is None and self._sampling_error is not None and not any(c.solution for c in self._candidates):
            raise self._sampling_error
        return winner

    async def _until_passed(self, start: Callable[[Candidate, Decision], object]) -> None:
        """Start what the policy wants, until a candidate has passed or nothing more is wanted."""
        while self._failure is None and not any(c.attempt.status == "passed" for c in self._candidates):
            for decision in decide(self._settings.strategy, self._state()):
                start(self._start(decision), decision)
            if not self._state().running:
                return
            await self._changed.wait()
            self._changed = anyio.Event()

    def _state(self) -> State:
        return State(
            tuple(c.attempt for c in self._candidates), self._settings.candidates, _WIDTH, self._settings.temperature
        )

    def _start(self, decision: Decision) -> Candidate:
        parent = decision.parent if isinstance(decision, Repair) else None
        origin: Origin = "repaired" if parent else "sampled" if decision.temperature else "greedy"
        number = len(self._candidates) + 1
        candidate = Candidate(Attempt(number, "sampling", parent=parent), origin)
        self._candidates.append(candidate)
        self._emit(CandidateStarted(number, origin, parent))
        return candidate

    async def _try(self, candidate: Candidate, decision: Decision, sampler: Sampler, gate: Gate, trial: Trial) -> None:
        """One candidate from its first token to its verdict; what goes wrong beyond the candidate ends the run."""
        try:
            await self._attempt(candidate, decision, sampler, gate, trial)
        except Exception as error:  # raised again by the search, without the task group's wrapping
            self._failure = error
            self._changed.set()

    async def _attempt(
        self, candidate: Candidate, decision: Decision, sampler: Sampler, gate: Gate, trial: Trial
    ) -> None:
        number = candidate.attempt.number
        parent = self._candidates[decision.parent - 1] if isinstance(decision, Repair) else None
        try:
            candidate.sampled = await sampler.sample(
                number,
                decision,
                parent.solution if parent else None,
                parent.verdict.first_failure if parent and parent.verdict else None,
            )
        except GenerationError as error:
            self._sampling_error = error
            self._refuse(candidate, f"sampling failed: {error.what}")
            return
        if candidate.sampled.problem:
            self._refuse(candidate, candidate.sampled.problem)
            return
        admitted = await anyio.to_thread.run_sync(gate.judge, number, Solution(candidate.sampled.bodies))
        self._record("candidate_text", number=number, bodies=candidate.sampled.bodies)
        if isinstance(admitted, Refused):
            self._refuse(candidate, admitted.reason)
            return
        candidate.solution, candidate.text = admitted.solution, admitted.text
        self._set_status(candidate, "testing")
        await self._test(trial, candidate)
        self._changed.set()

    async def _test(self, trial: Trial, candidate: Candidate) -> bool:
        """The verdict on an admitted candidate: whether it passed."""
        assert candidate.solution is not None  # noqa: S101 - what has no solution is not tested
        number = candidate.attempt.number
        async with self._test_slots:
            bodies = tuple(candidate.solution.bodies.values())
            judge, verdict = await trial.run(self._judge, candidate.text, bodies)
        self._test_cpu += verdict.cpu_seconds
        if judge != self._judge:
            self._tell_judge(judge, verdict.tests_total - verdict.tests_passed, verdict.seconds)
        candidate.verdict = verdict
        failure = verdict.first_failure
        candidate.attempt = evolve(
            candidate.attempt,
            status="passed" if verdict.passed else "failed",
            tests_passed=verdict.tests_passed,
            tests_total=verdict.tests_total,
            failed_fast=failure is not None and failure.message.startswith(_MENDABLE),
        )
        self._record("verdict", number=number, results=[asdict(result) for result in verdict.results],
                     output=verdict.output, reason=verdict.reason, decided_by=verdict.decided_by)  # fmt: skip
        message = verdict.reason if verdict.timed_out or failure is None else failure.message or verdict.reason
        self._emit(
            CandidateTested(
                number,
                verdict.passed,
                verdict.tests_passed,
                verdict.tests_total,
                message,
                verdict.seconds,
                candidate.sampled.tokens if candidate.sampled else 0,
                max(c.attempt.tests_passed for c in self._candidates),
                self._tried(),
            )
        )
        if not verdict.passed and self._tried() == 1 and self._settings.candidates > 1:
            trial.keep_warm(self._found)  # there will be others
        return verdict.passed

    def _tried(self) -> int:
        return sum(c.attempt.status in {"refused", "failed", "passed"} for c in self._candidates)

    def _set_status(self, candidate: Candidate, status: Any) -> None:
        candidate.attempt = evolve(candidate.attempt, status=status)
        self._changed.set()

    def _refuse(self, candidate: Candidate, reason: str) -> None:
        self._set_status(candidate, "refused")
        tokens = candidate.sampled.tokens if candidate.sampled else 0
        self._emit(CandidateRejected(candidate.attempt.number, reason, tokens))

    # -- the winner

    async def _confirm(self, trial: Trial, baseline: Baseline, candidate: Candidate) -> Winner | None:
        """The winner, if it passes once more; else the candidate is no longer one that passed."""
        self._emit(StageStarted("confirm", "confirming the winner on the final text"))
        found = await confirm(trial, self._judge, candidate, self._loaded(baseline), self._test_slots)
        self._test_cpu += found.cpu_seconds
        if found.stale:
            self._stale = candidate
        if found.winner is not None:
            strict = found.winner.strict
            self._record("decided", number=candidate.attempt.number, decided_by=strict.decided_by,
                         undecided=strict.undecided, overfit_suspect=strict.suspicion)  # fmt: skip
        else:
            candidate.attempt = evolve(candidate.attempt, status="failed")
        return found.winner

    def _if_still_so(self, winner: Winner | None) -> Winner | None:
        """The winner, unless something that its proof is about was changed since; it is offered again, then."""
        if winner is None or winner.evidence.holds(self._request):
            return winner
        self._stale = winner.candidate
        return None

    def _loaded(self, baseline: Baseline) -> set[Path]:
        """The files that the tests are known to read: if one is written meanwhile, a verdict is out of date."""
        verdicts = [baseline.verdict, *(c.verdict for c in self._candidates if c.verdict is not None)]
        loaded = {self._request.root / name for verdict in verdicts for name in verdict.loaded}
        return loaded | set(baseline.judge.files)

    # -- telling

    def _outcome(self, winner: Winner | None, energy: Energy) -> Outcome:
        outcome = conclude(
            Ending(
                settings=self._settings,
                language=self._language,
                target=self._target,
                judge=self._judge,
                candidates=self._candidates,
                name=self._request.relative(self._path),
                base=self._base,
                seconds=time.monotonic() - self._started,
                tokens=sum(self._spent.values()),
                energy=energy,
                record=str(self._recorder.path) if self._recorder and not self._recorder.warning else "",
                winner=winner,
                stale=self._stale,
            )
        )
        self._record_event(outcome)
        return outcome

    def _emit(self, event: Event) -> None:
        self._record_event(event)
        self._listener(event)

    def _record_event(self, event: Event) -> None:
        self._write(as_json(event))

    def _record(self, kind: str, **values: Any) -> None:
        self._write({"event": kind, **values})

    def _write(self, line: dict[str, Any]) -> None:
        if self._recorder is not None:
            self._recorder.write({"seconds": round(time.monotonic() - self._started, 3), **line})
