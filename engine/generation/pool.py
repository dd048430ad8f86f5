"""Servers as one generator: load is spread, a server that goes away is replaced during the run, or waited for.

Each sample goes to the server that should have it done first: the one with the fewest samples under way for the speed
that was measured of it.  A sample whose server is lost, or refuses it, is sampled again elsewhere (see `again`).  A
server that is down is asked again now and then.  When none is left, this machine's own host takes over, if the settings
let it and it can be used; else samples wait for the first that comes back: servers are asked more often then, though
less and less.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from types import MappingProxyType

import anyio
from attrs import define, evolve

from engine.config import Settings
from engine.energy.base import Work
from engine.errors import GenerationError, GreenfinchError
from engine.generation import endpoints
from engine.generation.again import persistently
from engine.generation.base import Generator, GeneratorInfo, LostError, Piece, RefusedError, SampleRequest, Usage
from engine.generation.local import LocalGenerator
from engine.generation.openai import OpenAIGenerator

SILENCE_SECONDS = 120.0  # without a word from one server; another one may be quicker
PREPARE_SECONDS = 15.0
RECHECK_SECONDS = 15.0  # after it went down; and then each time
FIRST_RECHECK_SECONDS = 1.0  # where nothing else can be used; twice as long each time, up to the former
PROBE_SECONDS = 2.0  # a sample waits for no longer than this to learn that a server is up again
OUTAGE_SECONDS = 300.0  # a sample that has lost a server waits no longer for any
_LOOK_AGAIN = 0.5  # seconds: whoever waits looks whether another one has found a server up
_SMOOTHING = 0.3


@define(eq=False)
class Member:
    """One server.

    Attributes:
        outstanding: samples that it has under way.
        rate: tokens per second that it gives, all its samples together; None: not measured yet.
        problem: why it cannot be used now; empty while it can.
        checked: when it was asked last, by the monotonic clock.
        losses: how often it was found down since it last served a sample to its end.
    """

    where: str
    generator: Generator
    outstanding: int = 0
    rate: float | None = None
    problem: str = ""
    checked: float = 0.0
    model: str = ""
    losses: int = 0
    _error: GenerationError | None = None
    _tokens: int = 0
    _since: float = 0.0

    async def prepare(self, seconds: float) -> None:
        """Ask the server; says in `problem` why it cannot be used."""
        error: GenerationError = LostError(f"{self.where} did not answer in time.")
        with anyio.move_on_after(seconds):
            try:
                self.model = (await self.generator.prepare()).model
            except GenerationError as found:
                error = found
            else:
                self.problem, self.checked, self._error = "", time.monotonic(), None
                return
        self.losses += bool(self.problem)  # else `lose` counts it
        self.lose(error)

    def lose(self, error: GenerationError) -> None:
        """It cannot be used now; all samples that it had under way may say so."""
        self.losses += not self.problem
        self.problem, self.checked, self._error = str(error), time.monotonic(), error

    @property
    def is_hopeful(self) -> bool:
        """Whether it may come back by itself: it is away or busy, and has not refused what it was asked."""
        return self._error is None or isinstance(self._error, LostError)

    def due(self, *, last: bool) -> float:
        """When to ask it again; `last`: there is nothing else."""
        seconds = RECHECK_SECONDS
        if last:
            seconds = min(seconds, FIRST_RECHECK_SECONDS * 2 ** min(self.losses - 1, 8))
        asked_for = self._error.retry_after if isinstance(self._error, LostError) else 0.0
        return self.checked + max(seconds, min(asked_for, OUTAGE_SECONDS))

    def refusal(self) -> GenerationError:
        """The error that its problem is."""
        assert self._error is not None  # noqa: S101 - it has a problem
        return self._error

    async def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        """One sample of this server; counts what is under way, and how fast it comes."""
        self.outstanding += 1
        try:
            async with aclosing(self.generator.sample(request)) as pieces:
                async for piece in pieces:
                    self._measure(piece.tokens)
                    if piece.finish is not None:
                        self.losses = 0
                    yield piece
        finally:
            self.outstanding -= 1
            self._since = 0.0  # the next figure is of another number of samples

    def _measure(self, tokens: int) -> None:
        """Tokens of all samples over half a second or more give one figure."""
        now = time.monotonic()
        if not self._since:
            self._since, self._tokens = now, 0
            return
        self._tokens += tokens
        if (span := now - self._since) >= 0.5:
            rate = self._tokens / span
            self.rate = rate if self.rate is None else self.rate + _SMOOTHING * (rate - self.rate)
            self._since, self._tokens = now, 0


_NOBODY: Mapping[Member, GenerationError] = MappingProxyType({})


class PoolGenerator:
    """Samples from whichever server is best placed; one server alone makes a pool, too.

    Args:
        members: in the order of preference among equals.
        last_resort: used while no member can be; None, or one that cannot be used: then samples wait, for a while.
    """

    def __init__(self, members: list[Member], last_resort: Generator | None) -> None:
        self._members = members
        self._last = Member("this machine", last_resort) if last_resort else None
        self._probing, self._turning = anyio.Lock(), anyio.Lock()

    @classmethod
    def of(cls, settings: Settings) -> PoolGenerator:
        """The servers that `settings.servers` names.  Nothing but itself stands in for a single `endpoint`.

        Raises:
            ConfigError: one of them cannot be used as it is written.
        """
        members = []
        silence = SILENCE_SECONDS if len(settings.servers) > 1 else endpoints.SILENCE_SECONDS
        for endpoint in settings.servers:
            generator = OpenAIGenerator.remote(settings, endpoint, silence=silence)
            members.append(Member(generator.where, generator))
        return cls(members, LocalGenerator(settings) if settings.stands_in else None)

    async def prepare(self) -> GeneratorInfo:
        """Ask all servers at once.

        Raises:
            GenerationError: none can be used, nor the last resort; says why of each.
        """
        await self.ask()
        up = [member for member in self._members if not member.problem]
        details = {member.where: member.problem or member.model for member in self._members}
        if up:
            model, fallback = ", ".join(dict.fromkeys(member.model for member in up)), ""
        else:
            last = await self._prepared_last()
            if last is None:
                raise self._none_left()
            model, fallback = last.model, "; ".join(filter(None, (self._instead(), last.fallback)))
        return GeneratorInfo(model, self._named(up), {"protocol": "openai", **details}, fallback)

    async def ask(self, seconds: float = PREPARE_SECONDS) -> Sequence[Member]:
        """Ask all servers at once, and no last resort; `problem` of each tells what came of it."""
        async with anyio.create_task_group() as tasks:
            for member in self._members:
                tasks.start_soon(member.prepare, seconds)
        return self._members

    async def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        """Stream one sample, from another server if the first one is lost or refuses it, or from the same when it is
        back.

        Raises:
            LostError: no server has come back for so long.
            GenerationError: none will; or all that are there have refused the request itself.
        """
        at: Member | None = None
        lost: set[Member] = set()
        refused: dict[Member, GenerationError] = {}
        since: float | None = None

        async def attempt(request: SampleRequest) -> AsyncGenerator[Piece, None]:
            nonlocal at
            at = None  # an error of the choice itself is nobody's loss
            at = await self._best(lost, refused, since)
            if at is self._last:
                yield Piece(note=self._instead())
            elif refused:
                yield Piece(note=f"{at.where}, in place of {_names(refused)}, which refused a request")
            try:
                async with aclosing(at.sample(request)) as pieces:
                    async for piece in pieces:
                        yield piece
            except LostError:
                raise
            except GenerationError as error:
                if at is self._last:
                    raise
                refused[at] = error
                if isinstance(error, RefusedError) and error.lasting and (self._last or len(self._members) > 1):
                    at.lose(error)
                raise LostError(error.what, remedy=error.remedy) from error

        async def mend(error: LostError) -> str:
            nonlocal since
            if at is None or at is self._last:
                raise error
            since = since or time.monotonic()
            if time.monotonic() - since >= OUTAGE_SECONDS:  # its servers come back, and are lost again each time
                raise error
            if at in refused:
                return ""
            at.lose(error)
            lost.add(at)
            return "" if error.busy else f"{at.where} was lost"

        async with aclosing(persistently(request, attempt, mend)) as pieces:
            async for piece in pieces:
                yield piece

    async def read_ahead(self, request: SampleRequest) -> Usage | None:
        """None: its servers are told nothing ahead."""
        return None

    async def work(self) -> Work | None:
        """That of the last resort; what the servers do is not known here."""
        here = await self._last.generator.work() if self._last else None
        return evolve(here or Work(), elsewhere=True)

    async def aclose(self) -> None:
        for member in (*self._members, *([self._last] if self._last else [])):
            await member.generator.aclose()

    async def _best(
        self, lost: set[Member], refused: Mapping[Member, GenerationError] = _NOBODY, since: float | None = None
    ) -> Member:
        """The server to take, `lost` ones left out; the last resort if there is none, or what comes back first.

        Args:
            refused: servers that have refused the sample, and are not asked for it again.
            since: when the sample's first server was lost; None: none was.
        """
        since = since or time.monotonic()
        able = [member for member in self._members if member not in refused]
        while True:
            await self._recheck()
            up = [member for member in able if not member.problem and member not in lost]
            if up:
                known = [member.rate for member in up if member.rate]
                usual = sum(known) / len(known) if known else 1.0
                return min(up, key=lambda member: (member.outstanding + 1) / (member.rate or usual))
            if self._last is not None and await self._turn_to(self._last):
                return self._last
            lost.clear()  # what has come back serves as well as ever
            if all(member.problem for member in able):
                hopeful = any(member.is_hopeful for member in able)
                if not hopeful or time.monotonic() - since >= OUTAGE_SECONDS:
                    raise self._none_left(refused)
                await anyio.sleep(_LOOK_AGAIN)

    async def _turn_to(self, last: Member) -> bool:
        """Make the last resort ready, unless that has failed just now; False: it cannot be used."""
        async with self._turning:  # a start that fails takes its time, and fails for all who wait for it
            if last.problem and time.monotonic() < last.due(last=False):
                return False
            return await self._prepared_last() is not None

    async def _recheck(self) -> None:
        """Ask servers that have been down for a while; one sample does, and the others go on without."""
        alone = (self._last is None or bool(self._last.problem)) and all(member.problem for member in self._members)
        due = [m for m in self._members if m.problem and time.monotonic() >= m.due(last=alone)]
        if due and not self._probing.locked():
            async with self._probing, anyio.create_task_group() as tasks:
                for member in due:
                    tasks.start_soon(member.prepare, PREPARE_SECONDS if alone else PROBE_SECONDS)

    def _none_left(self, refused: Mapping[Member, GenerationError] = _NOBODY) -> GenerationError:
        """Why no server can be used, and the last resort neither; `refused`: what some have said to the sample."""
        why = {member: refused.get(member) or member.refusal() for member in self._members}
        if self._last is None and len(why) == 1:
            return why[self._members[0]]
        problems = "; ".join(f"{member.where}: {error}" for member, error in why.items())
        if self._last is not None:
            last = self._last.refusal()
            return GenerationError(
                f"No endpoint can be used, nor this machine's own model host: {problems}; this machine: {last.what}",
                remedy=last.remedy,
            )
        kind = LostError if any(isinstance(error, LostError) for error in why.values()) else GenerationError
        return kind(f"No endpoint can be used: {problems}", remedy="Check the setting endpoints.")

    async def _prepared_last(self) -> GeneratorInfo | None:
        """What the last resort says of itself; None if there is none that can be used."""
        if self._last is None:
            return None
        try:
            info = await self._last.generator.prepare()
        except GreenfinchError as error:
            self._last.lose(GenerationError(error.what, remedy=error.remedy))
            return None
        self._last.problem = ""
        return info

    def _instead(self) -> str:
        return f"this machine, in place of {_names(self._members)}"

    def _named(self, up: list[Member]) -> str:
        """All servers, those in use first."""
        down = [member for member in self._members if member not in up]
        parts = [_names(up) or "this machine, as the last resort"]
        if down:
            parts.append(f"not usable now: {_names(down)}")
        if up and self._last:
            parts.append("last resort: this machine")
        return "; ".join(parts)


def _names(members: Iterable[Member]) -> str:
    return ", ".join(member.where for member in members)
