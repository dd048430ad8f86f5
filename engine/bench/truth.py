"""Whether candidates are right: the hidden tests, run after the run has ended, and told to nobody but the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import evolve

from engine.bench.problems import Problem
from engine.config import Settings
from engine.verification.base import Judge
from engine.verification.interpreter import find_interpreter
from engine.verification.judging import ALL
from engine.verification.verifier import Verifier

_SECONDS = 60.0
"""For all hidden tests of a text, and for each of them: what is right and slow is right."""
_NAME = "test_hidden_truth.py"


async def hidden_verdicts(
    problem: Problem, texts: Mapping[int, str], folder: Path, settings: Settings
) -> dict[int, bool]:
    """Whether each of `texts`, in the module's place, passes all hidden tests of the problem; by the same keys."""
    module = folder / problem.module_path
    tests = module.parent / _NAME
    interpreter = await find_interpreter(folder, module, setting=settings.python)
    judge = Judge("pytest", (tests.relative_to(folder).as_posix() + ALL,), (tests,), folder=folder)
    found: dict[int, bool] = {}
    patient = evolve(settings, test_timeout_seconds=_SECONDS)
    async with Verifier(folder, interpreter, patient) as verifier:
        for key, text in texts.items():
            overlays = {module: text, tests: problem.hidden_test_text}
            found[key] = (await verifier.run(judge, overlays, time_limit=_SECONDS)).passed
    return found
