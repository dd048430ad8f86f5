"""Drives one run: finds the judge, carries out the policy's decisions, confirms the winner, keeps the record.

It decides nothing itself: what to sample is `search`'s matter, whether a text passes is `verification`'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from attrs import asdict

from engine.candidate import Candidate, Winner
from engine.choosing import Chosen, choose_among, doubt_of, question_of
from engine.conclusion import Ending, conclude
from engine.config import Settings
from engine.confirmation import confirm
from engine.energy import Account, Energy, Meter
from engine.errors import GreenfinchError, TargetNotFoundError
from engine.events import Event, ModelReady, OpenQuestion, Outcome, RunStarted, StageStarted, WentOn, as_json
from engine.generation.base import Generator, GeneratorInfo
from engine.judgement import Trial, find_baseline
from engine.languages import language_for
from engine.languages.base import Language, Solution
from engine.preparation import prompt_for
from engine.prompting import Prompt
from engine.record import Recorder, header, new_run_id
from engine.request import ImplementRequest
from engine.sampling import Sampler
from engine.search import POLICIES, Policy
from engine.searching import Models, Searching, Telling
from engine.tasks import both
from engine.verification.gate import Gate
from engine.verification.interpreter import Interpreter, find_interpreter
from engine.verification.verifier import Verifier
from engine.workspace import Snapshot


class Run:
    """One run, from a target to its outcome.  Made anew for each; not to be driven twice.

    Args:
        policy: in place of the one that the settings name.
        larger: makes the generator of a larger model, for the end of a search.
        without: parts that the prompt is to do without.
    """

    def __init__(
        self,
        settings: Settings,
        generator: Callable[[], Generator],
        request: ImplementRequest,
        seed: int,
        emit: Callable[[Event], None],
        *,
        policy: Policy | None = None,
        larger: Callable[[], Generator] | None = None,
        without: frozenset[str] = frozenset(),
    ) -> None:
        self._settings = settings
        self._make_generator = generator
        self._make_larger = larger
        self._without = without
        self._policy = policy or POLICIES[settings.strategy]
        self._request = request
        self._path = request.path
        self._seed = seed
        self._listener = emit
        self._id = new_run_id()
        self._recorder: Recorder | None = None
        self._started = time.monotonic()
        self._stale: Candidate | None = None
        self._chosen: Chosen | None = None
        self._suspects: dict[int, Winner] = {}  # by number: confirmed, but they seem to be fitted to the tests
        self._question: OpenQuestion | None = None
        self._doubt = ""
        self._spent: dict[int, int] = {}
        self._went_on: list[str] = []

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
        limit = int(self._settings.records_mb * 1e6)
        self._recorder = Recorder(self._id, secret_variables=[self._settings.endpoint_key_env], limit=limit)
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
        self._energy = Account(Meter(self._settings.cpu_watts, self._settings.gpu_watts))
        try:
            outcome = await (self._search(snapshot) if solution is None else self._reapply(snapshot, solution))
        except GreenfinchError as error:
            self._record("error", what=error.what, remedy=error.remedy)
            raise
        except anyio.get_cancelled_exc_class():
            self._record("cancelled")
            raise
        except Exception as error:  # a defect; the record says where it ended, and the caller gets it
            self._record("error", what=f"Greenfinch itself failed: {error!r}", remedy="")
            raise
        finally:
            self._energy.close()
            self._recorder.close()
        self._listener(outcome)

    async def _search(self, snapshot: Snapshot) -> Outcome:
        generator = self._make_generator()
        self._emit(StageStarted("tests", "looking for the tests that reach it"))
        interpreter = await self._interpreter()
        async with Verifier(self._request.root, interpreter, self._settings) as verifier:

            async def find_judge() -> Searching:
                return await self._searching(verifier, interpreter, snapshot)

            async def prepare_model() -> GeneratorInfo:
                return await self._ready(generator)

            searching, info = await both(find_judge, prepare_model)
            prompt = await prompt_for(
                self._language, self._target, self._request, snapshot, searching.judge, self._without
            )
            self._record("prompt", messages=[asdict(m) for m in prompt.messages])
            sources = [snapshot.read(file) for file in searching.judge.files]
            gate = Gate(self._language, snapshot.text, self._target, sources)
            self._own_body(searching, gate)
            models = self._models(generator, prompt, searching, info.parameters)
            winner = await self._until_won(searching, models, gate)
            energy = await self._energy.read(searching.test_cpu)
        return self._outcome(searching, self._if_still_so(winner), energy)

    async def _reapply(self, snapshot: Snapshot, solution: Solution) -> Outcome:
        interpreter = await self._interpreter()
        async with Verifier(self._request.root, interpreter, self._settings) as verifier:
            searching = await self._searching(verifier, interpreter, snapshot)
            candidate = searching.add(solution, self._language.render(snapshot.text, self._target, solution))
            passed = await searching.test(candidate)
            winner = await self._confirm(searching, candidate) if passed else None
        energy = await self._energy.read(searching.test_cpu)
        return self._outcome(searching, self._if_still_so(winner), energy)

    # -- the judge

    async def _interpreter(self) -> Interpreter:
        request = self._request
        return await find_interpreter(
            request.root, request.path, setting=self._settings.python, hint=request.python_hint
        )

    async def _searching(self, verifier: Verifier, interpreter: Interpreter, snapshot: Snapshot) -> Searching:
        """The judge found and told, and nothing searched yet."""
        baseline = await find_baseline(verifier, self._language, self._target, self._request, snapshot)
        self._baseline = baseline
        trial = Trial.of(verifier, self._language, self._target, self._request, snapshot, baseline)
        searching = Searching(
            self._settings, self._policy, trial, baseline, Telling(self._emit, self._record),
            python=interpreter.label, started=self._started, seed=self._seed,
        )  # fmt: skip
        searching.test_cpu += baseline.verdict.cpu_seconds
        searching.tell_judge(baseline.judge)
        return searching

    # -- the search

    async def _until_won(self, searching: Searching, models: Models, gate: Gate) -> Winner | None:
        self._emit(StageStarted("search", f"implementing {self._target.label}"))
        left = self._settings.budget_seconds - (time.monotonic() - self._started)
        deadline = anyio.current_time() + max(1.0, left)
        winner: Winner | None = None
        async with anyio.create_task_group() as tasks:
            try:
                while self._stale is None and searching.failure is None:
                    with anyio.CancelScope(deadline=deadline):
                        await searching.until_over(models, gate, tasks)
                    searching.drop_running()
                    passed = [c for c in searching.candidates if c.attempt.status == "passed"]
                    if all(c.attempt.suspected for c in passed):
                        break  # nothing has passed, or nothing since all that passed were suspected
                    winner = await self._best_confirmed(searching, passed)  # whatever it takes
                    if winner is not None:
                        if not winner.strict.suspicion or searching.is_over(models):
                            break
                        self._emit(StageStarted("search", "what passes seems fitted to the tests: looking for more"))
            except Exception as error:  # raised again below, without the task group's wrapping
                searching.failure = error
                winner = winner or next(iter(self._suspects.values()), None)
            tasks.cancel_scope.cancel()
        if winner is not None:
            winner = await self._as_it_is_now(searching, winner)
        if searching.failure is not None:
            if winner is None:
                raise searching.failure
            self._record("failure", what=str(searching.failure))  # a proof stands, whatever else went wrong
        sampled = [c for c in searching.candidates if c.origin != "existing"]
        if winner is None and searching.sampling_error and not any(c.solution for c in sampled):
            raise searching.sampling_error
        return winner

    async def _best_confirmed(self, searching: Searching, passed: list[Candidate]) -> Winner | None:
        """The first of the passers, the best first, that is confirmed; one that seems to be fitted to the tests' own
        inputs only if all do.
        """
        if len(passed) == 1:
            self._chosen = None
            return await self._confirm(searching, passed[0])
        self._emit(StageStarted("confirm", f"comparing what {len(passed)} candidates do that pass"))
        self._chosen = chosen = await choose_among(
            passed, searching.candidates, searching.trial, searching.judge, self._policy.compared
        )
        searching.test_cpu += chosen.behaviours.cpu_seconds
        self._record("behaviour", groups=chosen.groups, skipped=chosen.behaviours.skipped,
                     inputs=len(chosen.behaviours.inputs))  # fmt: skip
        winner: Winner | None = None
        for candidate in chosen.order:
            found = self._suspects.get(candidate.attempt.number) or await self._confirm(searching, candidate)
            if self._stale is not None:
                return None
            if found is not None and (winner is None or not found.strict.suspicion):
                winner = found
            if winner is not None and not winner.strict.suspicion:
                break
        return winner

    async def _as_it_is_now(self, searching: Searching, winner: Winner) -> Winner | None:
        """The winner, with what speaks against it.  One that others were looked for beside may have to be confirmed
        anew, since its user goes on typing.
        """
        if winner.strict.suspicion and not winner.evidence.holds(self._request):
            again = await self._confirm(searching, winner.candidate)
            if again is None:
                return None
            winner = again
        candidates, chosen = searching.candidates, self._chosen
        if chosen is not None:
            self._question = question_of(chosen, winner.candidate, candidates, searching.trial, searching.judge)
        self._doubt = doubt_of(winner, candidates, chosen.groups if chosen is not None else {})
        return winner

    def _own_body(self, searching: Searching, gate: Gate) -> None:
        """A body that is there already is the first candidate, and a parent for repairs."""
        if self._target.is_stub:
            return
        try:
            solution = self._language.solution_in(self._base, self._target)
        except TargetNotFoundError:  # a definition that cannot be read by itself is no candidate
            return
        gate.know(1)
        searching.add_existing(solution, self._base)

    def _models(self, generator: Generator, prompt: Prompt, searching: Searching, parameters: int) -> Models:
        def sampler(of: Generator) -> Sampler:
            return Sampler(of, self._language, prompt, self._settings, self._seed, self._hear, self._spent)

        async def larger() -> Sampler:
            assert self._make_larger is not None  # noqa: S101 - or it would not be asked for
            self._emit(StageStarted("model", f"making {self._settings.larger_model} ready"))
            made = self._make_larger()
            await self._ready(made)
            return sampler(made)

        async def watt_hours() -> float:
            return (await self._energy.read(searching.test_cpu)).watt_hours

        return Models(sampler(generator), larger if self._make_larger is not None else None, watt_hours, parameters)

    # -- the winner

    async def _confirm(self, searching: Searching, candidate: Candidate) -> Winner | None:
        """The winner, if it passes once more; else the candidate is no longer one that passed."""
        self._emit(StageStarted("confirm", "confirming the winner on the final text"))
        found = await confirm(searching.trial, searching.judge, candidate, self._loaded(searching), searching.slots)
        searching.test_cpu += found.cpu_seconds
        if found.stale:
            self._stale = candidate
        if found.winner is not None:
            strict = found.winner.strict
            self._record("decided", number=candidate.attempt.number, decided_by=strict.decided_by,
                         undecided=strict.undecided, overfit_suspect=strict.suspicion)  # fmt: skip
            if strict.suspicion:
                self._suspects[candidate.attempt.number] = found.winner
                searching.suspect(candidate)
        elif not found.stale:
            self._suspects.pop(candidate.attempt.number, None)
            searching.withdraw(candidate, found.reason)
        return found.winner

    def _if_still_so(self, winner: Winner | None) -> Winner | None:
        """The winner, unless something that its proof is about was changed since; it is offered again, then."""
        if winner is None or winner.evidence.holds(self._request):
            return winner
        self._stale = winner.candidate
        return None

    def _loaded(self, searching: Searching) -> set[Path]:
        """The files that the tests are known to read: if one is written meanwhile, a verdict is out of date."""
        known = [c.verdict for c in searching.candidates if c.verdict is not None]
        verdicts = [self._baseline.verdict, *known]
        loaded = {self._request.root / name for verdict in verdicts for name in verdict.loaded}
        return loaded | set(self._baseline.judge.files)

    # -- telling

    def _outcome(self, searching: Searching, winner: Winner | None, energy: Energy) -> Outcome:
        outcome = conclude(
            Ending(
                settings=self._settings,
                language=self._language,
                target=self._target,
                judge=searching.judge,
                candidates=searching.candidates,
                name=self._request.relative(self._path),
                base=self._base,
                seconds=time.monotonic() - self._started,
                tokens=sum(self._spent.values()),
                energy=energy,
                record=str(self._recorder.path) if self._recorder and not self._recorder.warning else "",
                unrecorded=self._recorder.warning if self._recorder else "",
                winner=winner,
                question=self._question,
                doubt=self._doubt,
                still_so=partial(winner.evidence.holds, self._request) if winner else lambda: False,
                stale=self._stale,
                went_on=self._went_on,
            )
        )
        self._record_event(outcome)
        return outcome

    async def _ready(self, generator: Generator) -> GeneratorInfo:
        info = await generator.prepare()
        await self._energy.attach(generator.work)
        self._emit(ModelReady(info))
        if info.fallback:
            self._hear(WentOn(info.fallback))
        return info

    def _hear(self, event: Event) -> None:
        """From the sampling of candidates: how they grow, which is not kept; and what goes on in place of what."""
        if not isinstance(event, WentOn):
            self._listener(event)
        elif event.how not in self._went_on:
            self._went_on.append(event.how)
            self._emit(event)

    def _emit(self, event: Event) -> None:
        self._record_event(event)
        self._listener(event)

    def _record_event(self, event: Event) -> None:
        self._write(as_json(event))

    def _record(self, kind: str, /, **values: Any) -> None:
        self._write({"event": kind, **values})

    def _write(self, line: dict[str, Any]) -> None:
        if self._recorder is not None:
            self._recorder.write({"seconds": round(time.monotonic() - self._started, 3), **line})
