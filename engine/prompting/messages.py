"""The messages of one run.  Equal beginnings are the point: greedy, samples and repairs share all but their end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from attrs import frozen

from engine.generation.base import Message
from engine.languages.base import Language, Solution, Target
from engine.prompting.context import failure_text, file_context, judge_context
from engine.verification.base import TestResult

PARTS = ("surroundings", "related", "tests", "prefill")
"""What a prompt tells besides the target itself: its own file, other files, and the judge."""
_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."  # what the models were tuned with
_FENCE = "```python\n"
_WISHES = {
    "plan": "First write a short numbered plan in words, then the code.",
    "steps": "Solve it in small steps, each with a helper function of its own inside the function.",
}


@frozen
class Prompt:
    """What every candidate of a run is asked.

    Attributes:
        messages: the turns that all candidates share.
        bare: the turns without what surrounds the target.
        target: what is asked for.
        whole: the reply is to hold the functions as a whole: it is not begun for the model.
    """

    messages: tuple[Message, ...]
    bare: tuple[Message, ...]
    target: Target
    whole: bool = False

    def prefill(self, done: dict[str, str], name: str, *, plan: str = "") -> str:
        """The reply's beginning for the function `name`, after the ones that are `done` (bodies by qualname)."""
        pieces: list[str] = []
        for function in self.target.functions:
            if function.qualname == name:
                return f"{plan}{_FENCE}{''.join(pieces)}{function.prefix}"
            body = done.get(function.qualname, "...")
            pieces.append(f"{function.prefix}{_indented(body)}\n\n\n")
        raise KeyError(name)

    def repair(self, solution: Solution, failure: TestResult) -> tuple[Message, ...]:
        """The turns after a candidate that failed: its own text, and what went wrong."""
        source = "\n\n\n".join(
            f"{function.prefix}{_indented(solution.bodies.get(function.qualname, '...'))}"
            for function in self.target.functions
        )
        imports = "".join(f"{statement}\n" for statement in solution.imports)
        told = failure_text(failure.detail, failure.message)
        return (
            *self.messages,
            Message("assistant", f"{_FENCE}{imports}{source}\n```"),
            Message("user", f"{_complaint(failure)}\n```\n{told}\n```\nCorrect it."),
        )

    def new_chars(self, messages: Sequence[Message]) -> int:
        """How many characters of `messages` follow what they have in common with the run's own."""
        own, other = ("".join(message.content for message in each) for each in (self.messages, messages))
        equal = takewhile(lambda pair: pair[0] == pair[1], zip(own, other, strict=False))
        return len(other) - sum(1 for _ in equal)

    def asked(self, variant: str) -> tuple[Message, ...]:
        """The turns of a variant of the prompt; see `CandidateStarted`."""
        if variant == "bare":
            return self.bare
        *before, last = self.messages
        wish = _WISHES.get(variant, "")
        return (*before, Message("user", f"{last.content}\n{wish}")) if wish else self.messages


def build_prompt(
    language: Language, text: str, target: Target, judge_sources: Sequence[str], judge_tests: Sequence[str],
    related: str = "", *, without: frozenset[str] = frozenset(),
) -> Prompt:  # fmt: skip
    """The run's prompt from the document, the target, the judge's test files (but for the document itself) and test
    ids, and other files; without some of `PARTS`, to see what they are worth.
    """
    names = ", ".join(f"`{function.qualname}`" for function in target.functions)
    what = "function" if len(target.functions) == 1 else "functions"
    judge = judge_context(language, judge_sources, judge_tests)
    tests = "" if "tests" in without or not judge else f"It must pass these tests:\n{_FENCE}{judge}\n```"
    others = f"From other files:\n{_FENCE}{related}\n```\n" if related and "related" not in without else ""
    alone = "\n\n".join(f"{function.prefix}    ..." for function in target.functions)
    own = alone if "surroundings" in without else file_context(language, text, target)
    user = f"Complete the {what} {names}:\n{_FENCE}{own}\n```\n{others}{tests}"
    bare = f"Complete the {what} {names}:\n{_FENCE}{alone}\n```\n{tests}"
    system = Message("system", _SYSTEM)
    return Prompt((system, Message("user", user)), (system, Message("user", bare)), target, "prefill" in without)


def _complaint(failure: TestResult) -> str:
    return f"That fails the test `{failure.id.rpartition('::')[2]}`:" if failure.id else "That cannot work:"


def _indented(body: str) -> str:
    return "\n".join(f"    {line}" if line.strip() else line for line in body.split("\n"))
