"""`greenfinch runs`: what earlier runs did, read from their records."""

from __future__ import annotations

import json
import os
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import click

from engine import record
from engine.errors import GreenfinchError
from engine.wording import counted, some_of, tests_score


@click.group()
def runs() -> None:
    """Look at the records of earlier runs."""


@runs.command("list")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, metavar="N",
              help="At most so many; 0 for all.")  # fmt: skip
@click.option("--project", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="FOLDER",
              help="Only runs in this project's folder.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(limit: int, project: Path | None, as_json: bool) -> None:
    """List the runs, the newest first, and what they took together."""
    summaries = record.list_runs(limit, project)
    if as_json:
        for summary in summaries:
            click.echo(json.dumps(attrs.asdict(summary) | {"path": str(summary.path)}))
        return
    if not summaries:
        click.echo(f"No runs yet in {record.folder()}.", err=True)
    for summary in summaries:
        mark = {True: "passed", False: "failed", None: "-"}[summary.passed]
        click.echo(f"{summary.run}  {mark:6}  {summary.target}  {summary.result}")
    if total := _total(summaries):
        click.echo(total, err=True)


def _total(summaries: Sequence[record.RunSummary]) -> str:
    """What the runs took together, in one line; empty if none came to an outcome."""
    ended = [summary for summary in summaries if summary.energy_wh is not None]
    if not ended:
        return ""
    passed = sum(summary.passed is True for summary in ended)
    energy = sum(summary.energy_wh or 0.0 for summary in ended)
    labels = ", ".join(sorted({summary.energy_label for summary in ended}))
    line = f"{counted(len(ended), 'run')} with an outcome, {passed} passed: {energy:.3g} Wh ({labels})"
    if passed:
        line += f", {energy / passed:.3g} Wh per verified edit"
    for currency in sorted({summary.currency for summary in ended if summary.cost is not None}):
        cost = sum(summary.cost or 0.0 for summary in ended if summary.currency == currency)
        line += f", {cost:.2g} {currency}"
    return f"{line}."


@runs.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="The record itself: one JSON object a line.")
def show(run: str, as_json: bool) -> None:
    """Tell what RUN did: a name from `runs list`, the beginning of one, or `last`."""
    for line in map(json.dumps, record.load_run(run)) if as_json else tell(record.load_run(run)):
        click.echo(line)


@runs.command()
@click.argument("run")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Where the page goes; else beside the record."
)
@click.option("--open", "show_it", is_flag=True, help="Open it in the browser.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print what the page tells as one JSON object, and write no page."
)
def report(run: str, out: Path | None, show_it: bool, as_json: bool) -> None:
    """Write RUN as a page to read: one HTML file without scripts that fetches nothing.  Prints where it lies."""
    from engine.reporting import read_story, render

    story = read_story(record.load_run(run))
    if as_json:
        click.echo(json.dumps(attrs.asdict(story)))
        return
    page = out or record.folder() / f"{story.run}.html"
    _write(page, render(story))
    click.echo(os.fspath(page))
    if show_it:
        webbrowser.open(page.resolve().as_uri())


def _write(page: Path, text: str) -> None:
    """What cannot be encoded (a lone surrogate in a test's message) is written as an escape.

    Raises:
        GreenfinchError: it cannot be written; no part of a new page is left.
    """
    data = text.encode("utf-8", "backslashreplace")
    is_new = not page.exists()
    try:
        page.touch(mode=0o600)
        page.write_bytes(data)
    except OSError as error:
        if is_new:
            with suppress(OSError):
                page.unlink()
        raise GreenfinchError(
            f"{page} cannot be written: {error.strerror or error}.",
            remedy="Name a file in a folder that is there, by --out.",
        ) from error


def tell(events: list[dict[str, Any]]) -> Iterator[str]:
    """A run's record as lines for people."""
    latest = {event["event"]: event for event in events if "event" in event}  # of each kind
    started, head = latest.get("run_started", {}), latest.get("record", {})
    target = head.get("target") or {"path": started.get("path", "?"), "qualname": started.get("target", "")}
    settings = head.get("settings", {})
    yield f"run      {head.get('run') or started.get('run', '?')}  {head.get('started', '')}".rstrip()
    yield f"target   {target.get('path', '?')}:{target.get('qualname', '')}".removesuffix(":")
    strategy = started.get("strategy") or settings.get("strategy", "?")
    yield f"search   {strategy}, at most {started.get('budget_seconds') or settings.get('budget_seconds', '?')} s"
    if judge := latest.get("judge_found"):
        yield from _judge(judge)
    if info := latest.get("model_ready", {}).get("info"):
        yield f"model    {info['model']}, {info['where']}"
    yield from _candidates(events)
    yield from _ending(events[-1] if events else {})


def _judge(judge: dict[str, Any]) -> Iterator[str]:
    tests = counted(judge["tests"], "test")
    yield f"judge    {tests}, {judge['failing']} failing before, in {', '.join(some_of(judge['files']))}"
    yield f"         {judge['framework']}, {judge['python']}, {judge['sandbox']}"
    for kind in ("blocked", "excluded"):
        left_out = some_of(f"left out: {test} ({reason})" for test, reason in judge.get(kind, {}).items())
        yield from (f"         {line}" for line in left_out)
    yield from (f"         {warning}" for warning in judge.get("warnings", ()))


def _candidates(events: list[dict[str, Any]]) -> Iterator[str]:
    origins: dict[int, str] = {}
    for event in events:
        match event.get("event"):
            case "candidate_started":
                parent = event.get("parent")
                origins[event["number"]] = event["origin"] + (f" from {parent}" if parent is not None else "")
            case "candidate_rejected":
                yield _candidate(event, origins, f"rejected: {event['reason']}")
            case "candidate_tested":
                verdict = f"{_score(event)}, {event['seconds']:.1f} s"
                yield _candidate(event, origins, verdict if event["passed"] else f"{verdict}: {event['message']}")


def _candidate(event: dict[str, Any], origins: dict[int, str], verdict: str) -> str:
    number = event["number"]
    return f"  {number:>3}  {origins.get(number, '?'):16}  {counted(event['tokens'], 'token'):>11}  {verdict}"


def _score(told: dict[str, Any]) -> str:
    return tests_score(told["tests_passed"], told["tests_total"], told.get("whole", True))


def _ending(last: dict[str, Any]) -> Iterator[str]:
    match last.get("event"):
        case "outcome":
            yield from _outcome(last)
        case "error":
            yield f"refused: {last.get('what', '?')}"
            if remedy := last.get("remedy"):
                yield f"         {remedy}"
        case "cancelled":
            yield "cancelled"
        case _:
            yield "The record ends without an outcome: the run goes on, or was broken off."


def _outcome(outcome: dict[str, Any]) -> Iterator[str]:
    cost = f"{outcome['seconds']:.1f} s, {counted(outcome['tokens'], 'token')}"
    cost += f", {outcome['energy_wh']:.3g} Wh ({outcome['energy_label']})"
    if phases := outcome.get("energy_phases"):
        cost += f": {', '.join(f'{phase} {wh:.2g}' for phase, wh in phases.items())}"
    if outcome.get("cost") is not None:
        cost += f", {outcome['cost']:.2g} {outcome['currency']}"
    best = outcome.get("best") or {}
    if outcome["passed"]:
        yield f"proof    {outcome['proof']}"
    else:
        yield f"reason   {outcome['reason']}"
    yield f"cost     {cost}"
    if best:
        yield f"best     candidate {best['number']}: {_score(best)}"
        if failure := best.get("failure"):
            yield f"         {failure['id']}: {failure['message']}"
    if diff := outcome.get("edit") or best.get("diff"):
        yield ""
        yield diff.rstrip("\n")
