"""Writes the answer to an open question into the user's tests, as a new test.

`greenfinch implement` shows the question; the server offers each answer as a code action.  Nothing is written here:
the edit is the caller's to apply.
"""

from __future__ import annotations

from pathlib import Path

from engine.errors import GreenfinchError
from engine.events import OpenQuestion
from engine.languages import language_for
from engine.languages.base import TextEdit


def answer_edit(question: OpenQuestion, answer: int, test_text: str) -> TextEdit:
    """The edit of the test file's text that makes answer number `answer` (from 0) what the tests ask for.

    Args:
        test_text: of `question.test_file` as it is now, the editor's buffer included.

    Raises:
        GreenfinchError: no test can be written for this answer.
    """
    chosen = question.answers[answer] if 0 <= answer < len(question.answers) else None
    language = language_for(Path(question.test_file))
    if chosen is None or language is None or not chosen.writable:
        raise GreenfinchError(
            f"No test can be written for {question.call}.", remedy="Write one by hand, and implement it again."
        )
    return language.new_test(
        test_text, question.framework, module=question.module, name=question.name, call=question.call,
        answer=chosen.value, raises=chosen.raises, is_async=question.is_async,
    )  # fmt: skip


def titles(question: OpenQuestion) -> tuple[str, ...]:
    """A line for each answer, as an action is called: `f([]) should be None`; empty where no test can be written."""
    return tuple(
        f"{question.call} should {'raise' if answer.raises else 'be'} {answer.value}" if answer.writable else ""
        for answer in question.answers
    )
