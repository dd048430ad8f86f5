"""Tests that run by a command of the user's own (tox, nox, make, another language's runner) and tell by JUnit XML.

The command runs everything it runs, in the cell, and could write any report it likes: a verdict says that it trusts it.
Which of its tests reach the target is found by a target that raises an error with a mark in it: the tests that fail
with the mark do.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from attrs import evolve

from engine.config import Settings
from engine.errors import BrokenJudgeError, ConfigError
from engine.redaction import redacted
from engine.verification.base import Baseline, Judge, TestOutcome, Verdict
from engine.verification.baseline import NOT_COUNTED, refuse_vacuous, warnings_of
from engine.verification.cell import Ended
from engine.verification.judging import Told, verdict, why_ended

FRAMEWORK = "command"
LABEL = "trusting your command"
BASELINE_SECONDS = 300.0  # least time limit of a command's first run
TIME_FACTOR = 4.0
_MARK = "greenfinch-probe-"

Execute = Callable[[Judge, Mapping[Path, str], float, str], Awaitable[tuple[Told, Ended]]]


def words_of(settings: Settings) -> tuple[list[str], list[str]]:
    """The command's words, and the patterns of its reports (none if `{junit}` is among the words).

    Raises:
        ConfigError: it cannot be split into words, or nothing says where its report will be.
    """
    try:
        words = shlex.split(settings.test_command)
    except ValueError as error:
        raise ConfigError(f"test_command cannot be read: {error}.", remedy="Mind its quotes.") from error
    patterns = settings.test_command_xml.split()
    if not patterns and not any("{junit}" in word for word in words):
        raise ConfigError(
            "Nothing says where the report of test_command is.",
            remedy="Put {junit} into test_command, as in `tox -q -- --junitxml={junit}`, or set test_command_xml.",
        )
    if any(Path(pattern).is_absolute() or ".." in Path(pattern).parts for pattern in patterns):
        raise ConfigError("test_command_xml must stay in the workspace.", remedy="Name it relative to its folder.")
    return words, patterns


def raise_statement(name: str, mark: str) -> str:
    """What stands in the place of a probe: one line of Python whose error a report shows."""
    return f'raise NotImplementedError("{mark}{name};")'


async def find_baseline(
    execute: Execute, settings: Settings, *, folder: Path, target: Path, targets: Sequence[str],
    names: Sequence[str], probed: Mapping[Path, str], plain: Mapping[Path, str], statement: Callable[[str], str],
    nominated: Sequence[Path], may_pass: bool,
) -> Baseline:  # fmt: skip
    """Run the command twice: with a target that raises, and on the texts as they are.

    Args:
        execute: runs the command on texts within seconds; the last argument is the probe's mark.
        names: of all functions in `probed` that hold a probe, which is `statement(name)`.
        nominated: test files that mention the target, for the prompt.

    Raises:
        JudgeError: there is no judge.
        ConfigError: see `words_of`.
    """
    words_of(settings)
    mark = f"{_MARK}{secrets.token_hex(4)}:"
    raising = dict(probed)
    for path, text in probed.items():
        for name in names:
            text = text.replace(statement(name), raise_statement(name, mark))
        raising[path] = text
    judge = Judge(FRAMEWORK, (), tuple(nominated), folder=folder, target=target)
    seconds = max(BASELINE_SECONDS, 30 * settings.test_timeout_seconds)
    first = _complete(await execute(judge, raising, seconds, mark), settings)
    second = _complete(both := await execute(judge, plain, seconds, ""), settings)
    judge, decisive, found_by = _judge_of(judge, first, second, targets)
    found = judged(judge, *both)
    if not may_pass:
        refuse_vacuous(evolve(found, results=tuple(result for result in found.results if result.id in decisive)))
    limit = 2 * settings.test_timeout_seconds + TIME_FACTOR * both[1].seconds
    return Baseline(judge, found, limit, (*found_by, *warnings_of(found.results)))


def _complete(run: tuple[Told, Ended], settings: Settings) -> Told:
    told, ended = run
    trouble = told.errors[0].message if told.errors else ""
    if told.status is None or trouble:
        printed = [line.strip()[:300] for line in redacted(ended.output).splitlines() if line.strip()]
        raise BrokenJudgeError(
            f"`{settings.test_command}` gave no results: {trouble or why_ended(ended, '')}.",
            remedy=printed[-1] if printed else "Run it yourself, and look for its report.",
        )
    return told


def _judge_of(
    judge: Judge, probed: Told, plain: Told, targets: Sequence[str]
) -> tuple[Judge, set[str], tuple[str, ...]]:
    """The judge, those of its tests that reach the target, and a warning if these could only be guessed.

    The other tests of the judge are those that pass now: an implementation must not break them.
    """
    wanted = set(targets)
    reaching = {r.id for r in probed.tests if wanted.intersection(r.reached)}
    blocked = {r.id: r.reached[0] for r in probed.tests if r.reached and r.id not in reaching}
    guessed: tuple[str, ...] = ()
    if not reaching:
        reaching = {r.id for r in plain.tests if not r.passed and r.outcome not in NOT_COUNTED} - set(blocked)
        guessed = ("the command's report does not show which tests reach the target: those that fail now decide",)
    tests: list[str] = []
    excluded: dict[str, str] = {}
    for result in plain.tests:
        if result.outcome in NOT_COUNTED:
            excluded[result.id] = f"{result.outcome} {result.message}".strip()
        elif result.id in blocked and not result.passed:
            continue
        elif result.id in reaching or result.passed:
            tests.append(result.id)
        else:
            excluded[result.id] = f"fails already, without reaching it: {result.message}"
    now = {result.id for result in plain.tests}
    blocked = {test: stub for test, stub in blocked.items() if test in now and test not in tests}
    return evolve(judge, tests=tuple(tests), blocked=blocked, excluded=excluded), reaching & set(tests), guessed


def judged(judge: Judge, told: Told, ended: Ended) -> Verdict:
    """The verdict over the judge's tests; how the others end, which could not pass before, does not matter."""
    others = {*judge.blocked, *judge.excluded}
    bad = {TestOutcome.FAILED, TestOutcome.ERROR}
    if any(result.id in others and result.outcome in bad for result in told.tests) and told.status is not None:
        told.status = 0  # the command fails on account of these
    told.tests = [result for result in told.tests if result.id not in others]
    found = verdict(judge, told, ended, decided_by=LABEL)
    return evolve(found, reason=told.errors[0].message) if told.errors and not found.passed else found
