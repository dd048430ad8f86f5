"""What a run begins with - a model, a judge, a prompt that is read - made ready before anybody has asked for the run.

Nothing is sampled, changed or recorded.  The run that follows finds the baseline remembered, the host loaded and its
prompt in the host's cache, or waits for what is still under way; it takes all of it as if it had been done by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import anyio.to_thread
from attrs import frozen

from engine.config import SANDBOX_LEVELS, Settings
from engine.errors import TargetNotFoundError
from engine.generation.base import Generator, SampleRequest, Usage
from engine.judgement import find_baseline
from engine.languages import language_for
from engine.languages.base import Language, Target
from engine.prompting import Prompt, build_prompt, readable, related_context
from engine.request import ImplementRequest
from engine.tasks import both
from engine.verification.base import Baseline, Judge
from engine.verification.interpreter import find_interpreter
from engine.verification.verifier import Verifier
from engine.workspace import Snapshot


@frozen
class Prepared:
    """What was made ready.

    Attributes:
        tests: of the judge; 0 if none was looked for.
        usage: of reading the prompt; None if it was not read.
    """

    model: str
    tests: int = 0
    usage: Usage | None = None


def why_not(settings: Settings) -> str:
    """Why nothing may be made ready before it is asked for; empty if that is allowed."""
    if not settings.prepare_on_menu:
        return "prepare_on_menu is off"
    if settings.servers:
        return "an endpoint is told nothing before a run is asked for"
    return ""


async def prepare(
    settings: Settings, make_generator: Callable[[], Generator], request: ImplementRequest
) -> Prepared | None:
    """Make ready what a run for `request` would begin with; None where that is not allowed.

    Tests are run only where they are confined and leave nothing behind: not by the user's own command, nor with files
    to write to or the machine's network, nor in a copy without walls.  There the model alone is made ready.

    Raises:
        GreenfinchError: as a run would.
    """
    if why_not(settings):
        return None
    language = language_for(request.path)
    if language is None:
        raise TargetNotFoundError(f"{request.path.name} is not in a language that Greenfinch knows.")
    snapshot = Snapshot.take(request)
    target = language.target_named(request.path, snapshot.text, request.qualname)
    generator = make_generator()
    if settings.test_command or settings.test_write or settings.test_network != "none":
        return Prepared((await generator.prepare()).model)
    interpreter = await find_interpreter(request.root, request.path, setting=settings.python, hint=request.python_hint)

    async def find_judge() -> Baseline | None:
        async with Verifier(request.root, interpreter, settings) as verifier:
            if verifier.level == SANDBOX_LEVELS[-1]:
                return None
            return await find_baseline(verifier, language, target, request, snapshot)

    baseline, info = await both(find_judge, generator.prepare)
    if baseline is None:
        return Prepared(info.model)
    prompt = await prompt_for(language, target, request, snapshot, baseline.judge)
    first = target.functions[0].qualname
    usage = await generator.read_ahead(SampleRequest(prompt.messages, prompt.prefill({}, first)))
    return Prepared(info.model, len(baseline.judge.tests), usage)


async def prompt_for(
    language: Language, target: Target, request: ImplementRequest, snapshot: Snapshot, judge: Judge,
    without: frozenset[str] = frozenset(),
) -> Prompt:  # fmt: skip
    """The prompt of a run: the target with its surroundings, what other files tell of it, and its judge; see
    `build_prompt` for what `without` leaves out.

    Raises:
        GreenfinchError: a test file cannot be read.
    """
    # Examples in the target's own file are shown with it.
    sources = [snapshot.read(file) for file in judge.files if not (judge.doctests and file == target.path)]
    read = readable(snapshot.glance)
    related = await anyio.to_thread.run_sync(
        partial(related_context, language, snapshot.text, target, request.root, read, sources), abandon_on_cancel=True
    )
    return build_prompt(language, snapshot.text, target, sources, judge.tests, related, without=without)
