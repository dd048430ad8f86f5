"""Samples one candidate: each function's body in turn, cut off the moment it is complete."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections import deque
from collections.abc import Callable
from contextlib import aclosing

from attrs import evolve, frozen

from engine.config import Settings
from engine.errors import TargetNotFoundError
from engine.events import CandidateGrew, Event, WentOn
from engine.generation.base import Distinct, Generator, SampleRequest
from engine.languages.base import Function, Language, Solution
from engine.prompting import Prompt
from engine.search import Decision, Repair, Sample
from engine.verification.base import TestResult

PLAN_TOKENS = 160
_TOP_P = 0.95
_BLOCK_END = "\n```\n"
_BLOCK = re.compile(r"```[^\n]*\n(.*?)(?:\n```|\Z)", re.DOTALL)
_RATE_WINDOW = 2.0  # seconds over which tokens per second are counted
_REPORT_EVERY = 0.25  # seconds between two progress events


@frozen
class Sampled:
    """A candidate as the model wrote it.

    Attributes:
        bodies: by qualname, relative to column 0.
        tokens: sampled for it, a plan included.
        new_chars: characters of what the model had to read that the run's first prompt does not begin with.
        problem: why it is no candidate, in one line; empty if it is one.
        logprob: of its bodies, the natural logarithm of the model's own probability, where the backend says.
        imports: statements that came with them.
    """

    bodies: dict[str, str]
    tokens: int
    problem: str = ""
    new_chars: int = 0
    logprob: float | None = None
    imports: tuple[str, ...] = ()


@frozen
class _Streamed:
    """Text (a body, for a function), tokens of the candidate so far, whether it came to its end; `logprob` as above."""

    text: str
    tokens: int
    complete: bool
    logprob: float | None = None


def seed_of(run: int, number: int) -> int:
    """The seed of candidate `number` of a run with seed `run`: runs with seeds that follow each other share none."""
    digest = hashlib.blake2b(f"{run} {number}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) % 2**31


class Sampler:
    """Turns decisions into candidates for one run; any number at once.

    Args:
        spent: where tokens are counted, by candidate; several samplers of a run share it.
    """

    def __init__(
        self,
        generator: Generator,
        language: Language,
        prompt: Prompt,
        settings: Settings,
        seed: int,
        emit: Callable[[Event], None],
        spent: dict[int, int] | None = None,
    ) -> None:
        self._generator = generator
        self._language = language
        self._prompt = prompt
        self._settings = settings
        self._seed = seed
        self._emit = emit
        self.spent = {} if spent is None else spent  # tokens by candidate, whether or not it came to its end
        self._key = secrets.token_hex(8)
        self._ended: dict[int, int] = {}  # tokens of the distinct sample of each candidate that came to its end
        self._recent: deque[tuple[float, int]] = deque()
        self._reported = 0.0

    async def sample(
        self, number: int, decision: Decision, parent: Solution | None, failure: TestResult | None
    ) -> Sampled:
        """Candidate `number`; for a repair, `parent` is what failed, and `failure` how.

        Raises:
            GenerationError: the backend failed.
        """
        request = SampleRequest(
            messages=self._prompt.messages,
            temperature=decision.temperature,
            top_p=_TOP_P,
            seed=seed_of(self._seed, number),
            max_tokens=min(self._settings.max_tokens, decision.tokens),
            avoid_line_start=self._language.comment if decision.terse and not self._settings.comments else "",
        )
        self._ended.pop(number, None)  # of an earlier try: its path in the host's tree is drawn anew
        tokens = 0
        plan = ""
        if isinstance(decision, Repair):
            if parent is not None and failure is not None:
                request = evolve(request, messages=self._prompt.repair(parent, failure))
        elif decision.variant != "plain":
            request = evolve(request, messages=self._prompt.asked(decision.variant))
        if isinstance(decision, Sample) and decision.variant == "plan" and not self._prompt.whole:
            most = min(PLAN_TOKENS, request.max_tokens // 2)
            planning = evolve(request, stop=("```",), max_tokens=most, avoid_line_start="")
            planned = await self._stream(number, planning, None, 0)
            plan, tokens = f"{planned.text.rstrip()}\n\n", planned.tokens
        new_chars = self._prompt.new_chars(request.messages)
        if self._prompt.whole:
            return await self._whole(number, request, decision.tokens, new_chars)
        bodies: dict[str, str] = {}
        logprobs: list[float | None] = []
        for function in self._prompt.target.functions:
            prefill = self._prompt.prefill(bodies, function.qualname, plan=plan)
            most = min(request.max_tokens, decision.tokens - tokens)
            if most <= 0:
                return Sampled(bodies, tokens, f"no tokens are left for {function.name}", new_chars)
            asked = evolve(request, prefill=prefill, max_tokens=most)
            if decision.distinct and function is self._prompt.target.functions[-1]:  # equal beginnings may go on apart
                asked = evolve(asked, distinct=Distinct(self._key, number, tuple(self._ended.items())))
            streamed = await self._stream(number, asked, function, tokens)
            tokens = streamed.tokens
            if not streamed.complete:
                problem = f"{function.name} is not complete after {most} tokens"
                return Sampled(bodies, tokens, problem, new_chars)
            bodies[function.qualname] = streamed.text
            logprobs.append(streamed.logprob)
        known = [logprob for logprob in logprobs if logprob is not None]
        together = sum(known) if len(known) == len(logprobs) else None
        return Sampled(bodies, tokens, new_chars=new_chars, logprob=together)

    async def _whole(self, number: int, request: SampleRequest, tokens: int, new_chars: int) -> Sampled:
        """A candidate from the first block of code in a reply that nothing was begun of."""
        most = min(tokens, request.max_tokens * len(self._prompt.target.functions))
        streamed = await self._stream(number, evolve(request, max_tokens=most, stop=(_BLOCK_END,)), None, 0)
        block = _BLOCK.search(streamed.text)
        try:
            solution = self._language.solution_in(block[1] if block else streamed.text, self._prompt.target)
        except TargetNotFoundError as error:
            return Sampled({}, streamed.tokens, error.what, new_chars)
        return Sampled(dict(solution.bodies), streamed.tokens, "", new_chars, imports=solution.imports)

    async def _stream(self, number: int, request: SampleRequest, function: Function | None, tokens: int) -> _Streamed:
        text, begun, logprob = "", tokens, None
        async with aclosing(self._generator.sample(request)) as pieces:
            async for piece in pieces:
                if piece.note:
                    self._emit(WentOn(piece.note))
                text += piece.text
                tokens += piece.tokens
                logprob = piece.usage.logprob if piece.usage else logprob
                self._count(number, tokens, piece.tokens)
                if function is None:
                    continue
                body = self._language.complete_body(function.prefix, text, ended=piece.finish == "stop")
                if request.distinct is not None and (body is not None or piece.finish == "length"):
                    self._ended[number] = tokens - begun + (piece.finish == "stop")  # what says so is a token, too
                if body is not None:
                    return _Streamed(body, tokens, complete=True, logprob=logprob)
        return _Streamed(text, tokens, complete=function is None)

    def _count(self, number: int, tokens: int, new: int) -> None:
        self.spent[number] = tokens
        now = time.monotonic()
        self._recent.append((now, new))
        while now - self._recent[0][0] > _RATE_WINDOW:
            self._recent.popleft()
        if now - self._reported >= _REPORT_EVERY:
            self._reported = now
            span = max(now - self._recent[0][0], 0.1)
            rate = sum(count for _, count in self._recent) / span
            self._emit(CandidateGrew(number, tokens, round(rate, 1)))
