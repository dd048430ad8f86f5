"""Work-done progress that the server starts, and the one line that it shows of a run."""

from __future__ import annotations

import itertools

from lsprotocol import types

from engine.events import (
    CandidateGrew,
    CandidateRejected,
    CandidateTested,
    Event,
    JudgeFound,
    ModelReady,
    RunStarted,
    StageStarted,
    WentOn,
)
from lsp_server.client import Client

_numbers = itertools.count(1)


class Progress:
    """One progress display.

    Reports may come at any time: before the client has accepted the token only the latest is kept, to begin with.
    A client that never accepts it, or has no such display, sees nothing and holds nothing up.
    """

    def __init__(self, client: Client, title: str) -> None:
        self.token = f"{title} #{next(_numbers)}"  # some editors show it
        self._client = client
        self._title = title
        self._message = ""
        self._shown = False
        self._ended = False

    async def open(self) -> None:
        """Announce the display and begin it."""
        if await self._client.create_progress(self.token) and not self._ended:
            self._shown = True
            begin = types.WorkDoneProgressBegin(self._title, cancellable=True, message=self._message or None)
            self._client.progress(self.token, begin)

    def report(self, message: str) -> None:
        """Show `message`."""
        if message == self._message or self._ended:
            return
        self._message = message
        if self._shown:
            self._client.progress(self.token, types.WorkDoneProgressReport(message=message))

    def end(self, message: str) -> None:
        """Take the display away."""
        if self._shown and not self._ended:
            self._client.progress(self.token, types.WorkDoneProgressEnd(message=message or None))
        self._ended = True


class Narrator:
    """Turns a run's events into the line that its progress shows: `3/8 tried, best 5/6 tests · 41 tok/s`.

    Args:
        candidates: at most this many are tried.
    """

    def __init__(self, candidates: int) -> None:
        self._candidates = candidates
        self._through: set[int] = set()
        self._best = (0, 0)
        self._speed = 0.0

    def line(self, event: Event) -> str | None:
        """The line to show from now on; None leaves it as it is."""
        match event:
            case RunStarted():
                return "starting"
            case StageStarted(message=message):
                return message
            case JudgeFound(tests=tests, failing=failing):
                deciding = "test decides" if tests == 1 else "tests decide"
                return f"{tests} {deciding}, {failing} {'fails' if failing == 1 else 'fail'} now"
            case ModelReady(info=info):
                return f"{info.model} is ready"
            case WentOn(how=how):
                return how
            case CandidateGrew(tokens_per_second=speed):
                self._speed = speed
            case CandidateRejected(number=number):
                self._through.add(number)
            case CandidateTested(number=number, best=best, tests_total=total):
                self._through.add(number)
                self._best = (best, total)
            case _:
                return None
        return self._tally()

    def _tally(self) -> str:
        best, total = self._best
        line = f"{len(self._through)}/{max(self._candidates, len(self._through))} tried"
        if total:
            line += f", best {best}/{total} tests"
        return f"{line} · {self._speed:.0f} tok/s" if self._speed else line
