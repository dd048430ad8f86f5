"""What a run without a winner leaves behind: a Markdown report with the best attempt and all that was tried."""

from __future__ import annotations

import logging
import os
import re
from contextlib import suppress
from pathlib import Path

import anyio.to_thread
import platformdirs
from lsprotocol.types import MessageType
from pygls.uris import from_fs_path

from engine.events import (
    CandidateRejected,
    CandidateStarted,
    CandidateTested,
    Event,
    JudgeFound,
    ModelReady,
    Outcome,
)
from engine.wording import some_of
from lsp_server.client import Client

logger = logging.getLogger(__name__)
_KEPT = 20


class Story:
    """Gathers a run's events for its report."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._judge: JudgeFound | None = None
        self._model: ModelReady | None = None
        self._started: dict[int, CandidateStarted] = {}
        self._results: dict[int, str] = {}

    def add(self, event: Event) -> None:
        match event:
            case JudgeFound():
                self._judge = event
            case ModelReady():
                self._model = event
            case CandidateStarted(number=number):
                self._started[number] = event
            case CandidateRejected(number=number, reason=reason):
                self._results[number] = f"refused before any test: {reason}"
            case CandidateTested(number=number, score=score, message=message):
                self._results[number] = score + (f": {message}" if message else "")
            case _:
                pass

    def summary(self, outcome: Outcome) -> str:
        """One line for a message box."""
        line = told(f"{self._label}: {outcome.reason or 'no candidate passed'}", outcome)
        best = outcome.best
        if best is None:
            return line
        line = f"{line.removesuffix('.')}.  Best attempt: {best.score}."
        if best.failure is not None:
            line += f"  First failure: {best.failure.id}: {best.failure.message}"
        return line

    def markdown(self, outcome: Outcome) -> str:
        """The whole report."""
        parts = [f"# Greenfinch: `{self._label}` is as it was", _sentence(outcome.reason or "no candidate passed")]
        best = outcome.best
        if best is not None:
            parts.append(f"## Best attempt: candidate {best.number}, {best.score}")
            parts.append(_fenced(best.diff, "diff"))
            if best.failure is not None:
                parts.append(f"First test that it fails: `{best.failure.id}`")
                parts.append(_fenced(best.failure.detail or best.failure.message))
        parts.append("## What was tried")
        parts.append("\n".join(self._tried()) or "No candidate was sampled.")
        parts.append("## How")
        parts.append("\n".join(self._how(outcome)))
        return "\n\n".join(parts) + "\n"

    def account(self, outcome: Outcome) -> str:
        """What became of a run that passed: its proof, the edit, and all that was tried."""
        parts = [f"# Greenfinch: `{self._label}` is implemented", told(outcome.proof, outcome)]
        parts.append(_fenced(outcome.edit or "", "diff"))
        parts += ["## What was tried", "\n".join(self._tried()), "## How", "\n".join(self._how(outcome))]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _tried(self) -> list[str]:
        lines = []
        for number, started in sorted(self._started.items()):
            parent = f" from {started.parent}" if started.parent is not None else ""
            result = " ".join(self._results.get(number, "not finished").split())
            lines.append(f"- candidate {number} ({started.origin}{parent}): {result}")
        return lines

    def _how(self, outcome: Outcome) -> list[str]:
        lines = [f"- {outcome.candidates} candidates, {outcome.tokens} tokens, {outcome.seconds:.1f} s"]
        if outcome.energy_label:
            lines[0] += f", {outcome.energy_wh:.3f} Wh ({outcome.energy_label})"
        if self._model is not None:
            lines.append(f"- model: {self._model.info.model}, {self._model.info.where}")
        lines += [f"- went on: {how}" for how in outcome.went_on]
        if self._judge is not None:
            judge = self._judge
            lines.append(f"- judge: {judge.tests} tests ({judge.framework}) in {', '.join(some_of(judge.files))}")
            lines.append(f"- interpreter: {judge.python}; confinement: {judge.sandbox}")
            left_out = {**judge.blocked, **judge.excluded}
            lines += [f"- {line}" for line in some_of(f"left out: {test}: {why}" for test, why in left_out.items())]
            lines += [f"- {warning}" for warning in judge.warnings]
        if outcome.record:
            lines.append(f"- record: {outcome.record}")
        if outcome.unrecorded:
            lines.append(f"- {outcome.unrecorded}")
        return lines


def notes(outcome: Outcome) -> str:
    """What to add to a job's last line: stubs that were left alone, and why the winner may be worth a second look."""
    said = [f"Left as stubs, since no test reaches them: {', '.join(outcome.untested)}"] if outcome.untested else []
    said += [f"Overfit suspect: {outcome.overfit_suspect}"] if outcome.overfit_suspect else []
    said += [f"In doubt: {outcome.doubt}"] if outcome.doubt else []
    return "".join(f"  {sentence}." for sentence in said)


def told(line: str, outcome: Outcome) -> str:
    """A line about an outcome, with its notes as sentences behind it."""
    behind = notes(outcome)
    return f"{line.removesuffix('.')}.{behind}" if behind else line


async def show(client: Client, label: str, markdown: str, *, take_focus: bool = True) -> None:
    """Open a document in the editor, or else put it into the editor's log."""
    path = await anyio.to_thread.run_sync(save, label, markdown)
    uri = from_fs_path(str(path)) if path is not None else None
    if uri is None or not await client.show(uri, take_focus=take_focus):
        client.log(markdown, MessageType.Info)


def save(label: str, markdown: str) -> Path | None:
    """Keep a report in the user's cache, the latest few of them; None if that is not possible."""
    folder = platformdirs.user_cache_path("greenfinch") / "reports"
    name = re.sub(r"\W+", "-", label).strip("-") or "report"
    path = folder / str(os.getpid()) / f"{name}.md"  # a tab shows the name, and windows keep out of each other's way
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        old = sorted(folder.glob("**/*.md"), key=lambda path: path.stat().st_mtime)
        for other in old[: max(0, len(old) - _KEPT + 1)]:
            other.unlink(missing_ok=True)
            if other.parent != path.parent:
                with suppress(OSError):  # others are left in it, or it is gone
                    other.parent.rmdir()
        path.write_text(markdown, "utf-8")
    except OSError as error:
        logger.warning("the report could not be kept: %s", error)
        return None
    return path


def first_time(subject: str) -> bool:
    """Whether this user is to be told of `subject` for the first time; remembered from now on."""
    mark = platformdirs.user_state_path("greenfinch") / "told" / subject
    try:
        mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.open("x").close()
    except FileExistsError:
        return False
    except OSError as error:
        logger.info("told again next time: %s", error)
    return True


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


def _fenced(text: str, language: str = "") -> str:
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
