"""The gate: free static checks before any test is spent on a candidate."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from engine.languages.base import Checked, Language, Solution, Target


@frozen
class Admitted:
    """A candidate worth testing: the solution with its imports, and the whole text it makes.

    Attributes:
        flags: what is unusual in it without being wrong.
    """

    solution: Solution
    text: str
    flags: tuple[str, ...] = ()


@frozen
class Refused:
    """A candidate that no test need see; `reason` in one line.

    Attributes:
        same_as: the earlier candidate that it repeats.
        mendable: it does not parse, or lacks a name.
    """

    reason: str
    same_as: int | None = None
    mendable: bool = False


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

    def judge(self, number: int, solution: Solution, *, may_stand: bool = False) -> Admitted | Refused:
        """Admit or refuse candidate `number`.

        Args:
            may_stand: it is no fault to be what the document holds already, unless that is a stub.
        """
        checked: Checked = self._language.check(self._text, self._target, solution)
        if checked.problem:
            return Refused(checked.problem, mendable=bool(solution.bodies))
        form = self._language.canonical(checked.text, self._target)
        twin = self._seen.setdefault(form, number)
        if twin != number:
            return Refused(f"the same as candidate {twin}", same_as=twin)
        if form == self._language.canonical(self._text, self._target):
            if may_stand and not self._target.is_stub:
                return Admitted(Solution({}), self._text)
            return Refused("the same as the text it should replace")
        return self._conduct(checked.solution, checked.text)

    def know(self, number: int) -> None:
        """The document's own body is candidate `number`."""
        self._seen[self._language.canonical(self._text, self._target)] = number

    def judge_module(self, text: str) -> Admitted | Refused:
        """Admit or refuse a text that replaces the whole document."""
        problem = self._language.module_problem(text, self._text, self._target) or self._changed_examples(text)
        return Refused(problem) if problem else self._conduct(Solution({self._target.qualname: text}), text)

    def _changed_examples(self, text: str) -> str:
        """Where the document's own examples are the tests: why these are not the same in `text`."""
        if self._text not in self._tests:
            return ""
        after = self._language.examples(text)
        changed = [name for name, told in self._language.examples(self._text).items() if after.get(name) != told]
        if changed:
            return f"changes the examples of {changed[0] or 'the module'}, which are the tests"
        written = text.count("__doc__") > self._text.count("__doc__")
        return "changes documentation, where the tests are (__doc__)" if written else ""

    def _conduct(self, solution: Solution, text: str) -> Admitted | Refused:
        conduct = self._language.conduct(text, self._text, self._tests)
        if conduct.refused:
            return Refused(conduct.refused)
        copied = self._language.copied_answers(text, self._text, self._target, self._tests)
        if copied:
            return Refused(f"answers {copied} of the tests' own inputs from a table instead of computing")
        return Admitted(solution, text, conduct.flags)
