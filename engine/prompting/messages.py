"""The messages of one run.  Equal beginnings are the point: greedy, samples and repairs share all but their end."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from engine.generation.base import Message
from engine.languages.base import Language, Solution, Target
from engine.prompting.context import failure_text, file_context, judge_context
from engine.verification.base import TestResult

_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."  # what the models were tuned with
_FENCE = "```python\n"


@frozen
class Prompt:
    """What every candidate of a run is asked.

    Attributes:
        messages: the turns that all candidates share.
        language, target: what is asked for.
    """

    messages: tuple[Message, ...]
    target: Target

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
            Message("user", f"That fails the test `{failure.id.rpartition('::')[2]}`:\n```\n{told}\n```\nCorrect it."),
        )

    def plan(self) -> tuple[Message, ...]:
        """The turns that ask for a plan before any code."""
        *before, last = self.messages
        asked = f"{last.content}\nFirst write a short numbered plan in words, then the code."
        return (*before, Message("user", asked))


def build_prompt(
    language: Language, text: str, target: Target, judge_sources: Sequence[str], judge_tests: Sequence[str]
) -> Prompt:
    """The run's prompt from the document, the target, and the judge's test files and test ids."""
    names = ", ".join(f"`{function.qualname}`" for function in target.functions)
    what = "function" if len(target.functions) == 1 else "functions"
    user = (
        f"Complete the {what} {names}:\n{_FENCE}{file_context(language, text, target)}\n```\n"
        f"It must pass these tests:\n{_FENCE}{judge_context(language, judge_sources, judge_tests)}\n```"
    )
    return Prompt((Message("system", _SYSTEM), Message("user", user)), target)


def _indented(body: str) -> str:
    return "\n".join(f"    {line}" if line.strip() else line for line in body.split("\n"))
