"""Shows a run in a terminal while it goes on, or as plain lines where there is no terminal."""

from __future__ import annotations

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from engine.events import (
    BestAttempt,
    CandidateGrew,
    CandidateRejected,
    CandidateStarted,
    CandidateTested,
    Event,
    JudgeFound,
    ModelReady,
    OpenQuestion,
    Outcome,
    RunStarted,
    StageStarted,
    WentOn,
)
from engine.wording import counted, some_of

_DIFF_COLOURS = {"+": "green", "-": "red", "@@": "cyan"}


class RunDisplay:
    """Feed it the events of one run; use as a context manager around the run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage = ""
        self._growing: dict[int, Text] = {}
        self._rate = 0.0
        self._spinner = Spinner("dots")
        self._live = Live(get_renderable=self._render, console=console, transient=True, refresh_per_second=8)

    def __enter__(self) -> RunDisplay:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def _render(self) -> RenderableType:
        rate = f"  {self._rate:.0f} tokens/s" if self._growing and self._rate else ""
        self._spinner.update(text=Text(f"{self._stage}{rate}", style="dim"))
        return Group(*self._growing.values(), self._spinner)

    def show(self, event: Event) -> None:
        """Print what is final about the event, and update what is not."""
        match event:
            case RunStarted():
                _print(self._console, Text(event.target, style="bold"), Text(f"({event.strategy})", style="dim"))
            case StageStarted():
                self._stage = event.message
                if event.stage == "confirm":
                    self._growing.clear()  # what still ran is dropped
            case JudgeFound():
                _print(self._console, _judge_lines(event))
                left_out = {**event.blocked, **event.excluded}
                for told in some_of(f"left out: {test} ({reason})" for test, reason in left_out.items()):
                    _print(self._console, Text(f"  {told}", style="yellow"))
                for warning in event.warnings:
                    _print(self._console, Text(f"  {warning}", style="yellow"))
            case ModelReady():
                _print(self._console, Text(f"  model: {event.info.model}, {event.info.where}", style="dim"))
            case WentOn():
                _print(self._console, Text(f"  {event.how}", style="yellow"))
            case CandidateStarted():
                self._growing[event.number] = Text(f"  {_who(event)}", style="cyan")
            case CandidateGrew():
                self._rate = event.tokens_per_second
                if event.number in self._growing:
                    name = self._growing[event.number].plain.split("  ·")[0]
                    self._growing[event.number] = Text(f"{name}  · {counted(event.tokens, 'token')}", style="cyan")
            case CandidateRejected():
                _print(self._console, self._final(event.number), Text(f"not tested: {event.reason}", style="yellow"))
            case CandidateTested():
                score = event.score
                mark = Text(f"passes {score}", style="green") if event.passed else Text(score, style="red")
                line = (self._final(event.number), mark, Text(event.message, style="dim"))
                if self._console.is_terminal:
                    self._console.print(*line, overflow="ellipsis", no_wrap=True)
                else:
                    _print(self._console, *line)
            case Outcome():
                self._growing.clear()

    def _final(self, number: int) -> Text:
        line = self._growing.pop(number, Text(f"  candidate {number}"))
        return Text(line.plain.split("  ·")[0], style="cyan")


def _who(event: CandidateStarted) -> str:
    origin = f"repair of {event.parent}" if event.parent else event.origin
    return f"candidate {event.number} ({origin})"


def _judge_lines(event: JudgeFound) -> Text:
    tests = counted(event.tests, "test")
    where = ", ".join(some_of(event.files))
    return Text(
        f"  judge: {tests} in {where}, {event.failing} failing now ({event.framework}; sandbox: {event.sandbox})\n"
        f"  tests run in {event.python}",
        style="dim",
    )


def show_outcome(console: Console, outcome: Outcome) -> None:
    """The diff and the proof, or the best attempt and the reason."""
    if outcome.unrecorded:
        _print(console, Text(outcome.unrecorded, style="yellow"))
    if outcome.passed:
        show_diff(console, outcome.edit or "")
        _print(console, Text(f"proof: {outcome.proof}", style="bold green"))
        if outcome.overfit_suspect:
            _print(console, Text(f"overfit suspect: {outcome.overfit_suspect}", style="yellow"))
        if outcome.doubt:
            _print(console, Text(f"in doubt: {outcome.doubt}; read it, or add a test", style="yellow"))
        if outcome.open_question is not None:
            show_question(console, outcome.open_question)
        return
    _print(console, Text(f"No candidate passed: {outcome.reason}.", style="bold red"))
    if outcome.best is not None:
        show_best(console, outcome.best)
    _print(console, Text(_cost(outcome), style="dim"))


def show_question(console: Console, question: OpenQuestion) -> None:
    """What the tests leave open."""
    _print(console, Text(f"open question: what is {question.call}?  Your tests do not say.", style="yellow"))
    for answer in question.answers:
        said = f"raises {answer.value}" if answer.raises else answer.value
        own = "  (the one above)" if answer.chosen else ""
        _print(console, Text(f"  {said}: {counted(answer.weight, 'sample')} that pass{own}", style="yellow"))


def show_best(console: Console, best: BestAttempt) -> None:
    """What came nearest."""
    _print(console, f"Best attempt (candidate {best.number}): it passes {best.score}.")
    show_diff(console, best.diff)
    if best.failure is not None:
        _print(console, Text(f"First failure: {best.failure.id}", style="red"))
        _print(console, Text(best.failure.detail or best.failure.message))


def show_diff(console: Console, diff: str) -> None:
    """A diff to the byte, so that what is piped or copied is a patch: rich would wrap, and drop tabs and returns."""
    coloured = console.is_terminal and console.color_system is not None and not console.no_color
    for line in diff.removesuffix("\n").split("\n") if diff else ():
        colour = next((colour for mark, colour in _DIFF_COLOURS.items() if line.startswith(mark)), None)
        click.echo(click.style(line, fg=colour) if coloured and colour else line, file=console.file, color=True)


def _print(console: Console, *parts: Text | str) -> None:
    """One line, however long: breaking it is the terminal's matter."""
    console.print(*parts, soft_wrap=True)


def _cost(outcome: Outcome) -> str:
    counts = f"{counted(outcome.candidates, 'candidate')}, {counted(outcome.tokens, 'token')}"
    return f"{counts}, {outcome.seconds:.1f} s, {outcome.energy_wh:.2g} Wh {outcome.energy_label}"
