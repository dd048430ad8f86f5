"""The gate: free static checks before any test is spent on a candidate."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from engine.languages.base import Checked, Language, Solution, Target


@frozen
class Admitted:
    """A candidate worth testing: the solution with its imports, and the whole text it makes."""

    solution: Solution
    text: str


@frozen
class Refused:
    """A candidate that no test need see; `reason` in one line."""

    reason: str


class Gate:
    """Remembers what it has seen: of candidates that differ only in layout one is tested.

    Args:
        tests: sources of the judge; a candidate that holds their answers as constants is refused.
    """

    def __init__(self, language: Language, text: str, target: Target, tests: Sequence[str] = ()) -> None:
        self._tests = tests
        self._language = language
        self._text = text
        self._target = target
        self._seen: dict[str, int] = {}

    def judge(self, number: int, solution: Solution) -> Admitted | Refused:
        """Admit or refuse candidate `number`."""
        checked: Checked = self._language.check(self._text, self._target, solution)
        if checked.problem:
            return Refused(checked.problem)
        form = self._language.canonical(checked.text, self._target)
        twin = self._seen.setdefault(form, number)
        if twin != number:
            return Refused(f"the same as candidate {twin}")
        if form == self._language.canonical(self._text, self._target):
            return Refused("the same as the text it should replace")
        copied = self._language.copied_answers(checked.text, self._target, self._tests)
        if copied:
            return Refused(f"answers {copied} of the tests' own inputs from a table instead of computing")
        return Admitted(checked.solution, checked.text)
