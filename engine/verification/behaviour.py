"""What implementations do: their answers to the inputs that the judge really used, and to inputs near these.

The inputs are recorded at the target's boundary in a split run of one passer.  Then each passer gets a confined
process of its own (`agent/worker.py`), and is asked there; no test and no framework is near.  What comes back is never
decoded here, only compared.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from engine.errors import SandboxError
from engine.languages.base import Language, Target
from engine.machine.cpus import usable_cores
from engine.tasks import all_of
from engine.verification.base import Judge
from engine.verification.inputs import near
from engine.verification.split import CAN_SPLIT
from engine.verification.values import equal_form
from engine.verification.verifier import Verifier

RECORDED = 24
MUTATED = 48
_SECONDS = 5.0
_UNSTEADY = 0.2
# What an implementation does besides answering, or answers by besides its input.
_SIDE_EFFECTS = re.compile(
    r"\b(?:open|input|exec|eval|__import__)\s*\(|\b(?:subprocess|socket|shutil|tempfile|threading|multiprocessing|"
    r"secrets|requests|urllib|random|os|sys)\.|\btime\.(?:time|sleep|monotonic|perf_counter)|"
    r"\b(?:now|today|utcnow|uuid1|uuid4|urandom)\s*\("
)


@frozen
class Behaviours:
    """What was found.

    Attributes:
        skipped: why nothing could be compared; empty if it could.
        module: name of the target's module, as the tests import it.
        inputs: requests (see `agent/peer.py`); answers: by candidate, one for each input,
            None where it hung or died; without those that did not get through the judge's own.
        recorded: so many of the inputs are the judge's own.
        cpu_seconds: of finding it out.
    """

    skipped: str = ""
    module: str = ""
    inputs: tuple[dict[str, Any], ...] = ()
    answers: Mapping[int, tuple[dict[str, Any] | None, ...]] = field(factory=dict)
    recorded: int = 0
    cpu_seconds: float = 0.0

    def outcomes(self) -> dict[int, tuple[str, ...]]:
        """The answers in a form that can be compared; equal for equal behaviour."""
        return {
            number: tuple(_form(answer, message) for answer, message in zip(answers, self.inputs, strict=True))
            for number, answers in self.answers.items()
        }


def _form(answer: dict[str, Any] | None, message: Mapping[str, Any]) -> str:
    return "hangs" if answer is None else equal_form(answer, message["objects"])


def side_effects(bodies: Sequence[str]) -> str:
    """What in the bodies acts or answers by something besides the input; empty if nothing does."""
    found = (match for body in bodies if (match := _SIDE_EFFECTS.search(body)))
    first = next(found, None)
    return first[0].rstrip("( ") if first else ""


async def compare(
    verifier: Verifier, language: Language, judge: Judge, target: Target, before: str, texts: Mapping[int, str],
    others: Mapping[Path, str], time_limit: float,
) -> Behaviours:  # fmt: skip
    """Ask the passers `texts` (documents, by candidate, the likeliest first) what the judge asked, and more.

    Args:
        before: the document as it was.
        others: unsaved texts of other files.
    """
    caller = language.caller(before, target)
    callees = {number: language.callee(text, target) for number, text in texts.items()}
    recordable = CAN_SPLIT and judge.framework != "command" and not judge.doctests
    if caller is None or None in callees.values() or not recordable:
        return Behaviours("its calls cannot be recorded")
    path = target.path
    sources = {number: {**others, path: text} for number, text in callees.items() if text is not None}
    first = next(iter(sources))
    try:
        split = await verifier.split(
            judge, {**others, path: caller}, sources[first], target=path, record=True, time_limit=time_limit
        )
        if not split.verdict.passed or split.loading is None or not split.applies:
            return Behaviours("its calls cannot be recorded", cpu_seconds=split.verdict.cpu_seconds)
        own = list(split.recorded[:RECORDED])
        inputs = [*own, *near(own, MUTATED)]
        ask = partial(verifier.ask, judge, target=path, loading=split.loading, seconds=_SECONDS)
        told = await all_of(
            [
                *(partial(ask, source, inputs=inputs) for source in sources.values()),
                partial(ask, sources[first], inputs=inputs[::-1]),
            ],
            most=max(1, usable_cores()),
        )
        cpu_seconds = split.verdict.cpu_seconds + sum(seconds for _, seconds in told)
        *each, again = (answers for answers, _ in told)
    except SandboxError as error:
        return Behaviours(f"it cannot be asked: {error.what}")
    backwards = [*again, *[None] * (len(inputs) - len(again))][::-1]
    answers = {
        n: told for n, told in zip(sources, each, strict=True) if len(told) >= len(own) and None not in told[: len(own)]
    }
    if first not in answers or len(answers) < 2:
        found = Behaviours("it cannot be asked: it takes too long, or does not load without the tests")
    else:
        found = _kept(str(split.loading["args"][0]), inputs, answers, answers[first], backwards, len(own))
    return evolve(found, cpu_seconds=cpu_seconds)


def _kept(
    module: str, inputs: Sequence[dict[str, Any]], answers: Mapping[int, Sequence[dict[str, Any] | None]],
    once: Sequence[dict[str, Any] | None], again: Sequence[dict[str, Any] | None], recorded: int,
) -> Behaviours:  # fmt: skip
    """Without inputs that are answered differently in another order, or that most refuse with an exception, which
    they may well be right in: such an input is none that the function is for; and up to where all were asked.
    """
    kept: list[int] = []
    unsteady = 0
    for index in range(min(map(len, answers.values()))):
        all_ = [told[index] for told in answers.values()]
        if any(each is not None and "not plain" in each for each in all_):
            continue
        one, other = once[index], again[index]
        if one is not None and other is not None and _form(one, inputs[index]) != _form(other, inputs[index]):
            unsteady += 1
            continue
        refused = Counter(each is None or "raised" in each for each in all_)
        if index < recorded or refused[True] * 2 <= len(all_):
            kept.append(index)
    if unsteady > _UNSTEADY * len(inputs):
        return Behaviours("it does not answer the same each time")
    return Behaviours(
        module=module,
        inputs=tuple(inputs[index] for index in kept),
        answers={number: tuple(told[index] for index in kept) for number, told in answers.items()},
        recorded=sum(index < recorded for index in kept),
    )
