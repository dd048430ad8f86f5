"""What every language provides: find a target, splice a candidate, know when a function is complete.

Positions are **code point offsets** into the document's text (Python `str` indices), half-open.  The server converts
them to the client's position encoding; nothing in the engine knows lines and columns of a client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from attrs import field, frozen

TargetKind = Literal["function", "method", "class", "module"]


@frozen
class TextEdit:
    """Replace `text[start:end]` by `new_text`; offsets in code points of the document before any edit."""

    start: int
    end: int
    new_text: str


@frozen
class Function:
    """One function or method as it stands in the text.

    Attributes:
        qualname: dotted, without `<locals>`: `Class.method`, `outer.inner`.
        start: of the whole definition, its first decorator included.
        header_end: just behind the signature's colon.
        body_start: of the text that a candidate replaces: what follows the signature and the docstring, from the
            end of the line that these end on (or from behind the colon, if the body shares the signature's line).
        end: of the whole definition, without the final line break.
        indent: white space before each statement of the body.
        prefix: the text a model's reply is prefilled with: decorators, signature and docstring, dedented, ending in
            a line break.
        docstring: its value, or None.
        is_stub: the body is empty, `...`, `pass`, or `raise NotImplementedError`, after an optional docstring.
        decorators: names, without arguments: `staticmethod`, `functools.cache`.
    """

    qualname: str
    start: int
    header_end: int
    body_start: int
    end: int
    indent: str
    prefix: str
    docstring: str | None
    is_stub: bool
    is_async: bool
    decorators: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.qualname.rpartition(".")[2]


@frozen
class Target:
    """What is to be implemented: one function, or all stubs of a class or a file together.

    Attributes:
        functions: those that a candidate fills, in the order of the text; one for a function or method.
        start, end: of the named thing (the whole text for a module).
    """

    path: Path
    qualname: str
    kind: TargetKind
    start: int
    end: int
    functions: tuple[Function, ...]

    @property
    def is_stub(self) -> bool:
        return all(function.is_stub for function in self.functions)

    @property
    def label(self) -> str:
        return self.qualname or self.path.name

    @property
    def names(self) -> tuple[str, ...]:
        """Qualified names that tests may mention it by."""
        names = (function.qualname.partition("[")[0] for function in self.functions)
        return tuple(dict.fromkeys(names))


@frozen
class Solution:
    """A candidate's text, free of its place in a document.

    Attributes:
        bodies: for each of the target's functions, by qualname, its new body: statements indented relative to the
            body's own first column (column 0), without the docstring.
        imports: import statements that the bodies need and the document lacks, one a string.
    """

    bodies: dict[str, str]
    imports: tuple[str, ...] = ()


@frozen
class Checked:
    """A solution after the language's static checks.

    Attributes:
        solution: with the imports that were found to be missing.
        text: the document with the solution in place.
        problem: in one line, why no test need be spent on it; empty if nothing speaks against it.
    """

    solution: Solution
    text: str
    problem: str = ""


@frozen
class Conduct:
    """What a text does that the text it replaces did not.

    Attributes:
        refused: in one line, what no honest function needs; empty if there is nothing of that kind.
        flags: what is unusual without being wrong, to be told beside the verdict.
    """

    refused: str = ""
    flags: tuple[str, ...] = ()


@frozen
class Imported:
    """An import of something that may be the project's own.

    Attributes:
        names: that are imported; none if it is the module as a whole.
        files: where it may be defined, the likelier first; few of them exist.
    """

    names: tuple[str, ...]
    files: tuple[Path, ...]


@frozen
class Twin:
    """A test file whose expectations were changed.

    Attributes:
        text: the file; the ids of its tests are those of the original.
        decided: qualified names (`test_x`, `TestC.test_y`) of tests that an honest implementation must now fail.
        by: for some of these, the lines of the test's beginning, of the end of the first statement that must now fail,
            and of the test's end: who fails behind that statement has passed it.
    """

    text: str
    decided: frozenset[str]
    by: Mapping[str, tuple[int, int, int]] = field(factory=dict)


class Language(Protocol):
    """One programming language.  Implementations keep no state between calls and never run the user's code."""

    name: str
    comment: str
    """What begins a comment that goes to the end of its line."""
    constructors: frozenset[str]
    """Names of the methods that give an object its fields."""

    def handles(self, path: Path) -> bool:
        """Whether files of this name are of this language."""

    def target_at(self, path: Path, text: str, offset: int) -> Target:
        """The innermost function around `offset`; on a class's own lines the class; outside both, the module.

        Raises:
            TargetNotFoundError: with a reason, e.g. a syntax error that hides the function, or no stub in the class.
        """

    def target_named(self, path: Path, text: str, qualname: str) -> Target:
        """The function, method or class called `qualname`; the module (all its stubs) if that is empty.

        Raises:
            TargetNotFoundError: naming the nearest names there are.
        """

    def functions(self, text: str) -> tuple[Function, ...]:
        """Every function and method of the text, in order; broken code around them is skipped."""

    def imports(self, text: str) -> tuple[tuple[int, int], ...]:
        """Spans of the import statements that have their lines to themselves: whole lines, line break included."""

    def complete_body(self, prefix: str, streamed: str, *, ended: bool) -> str | None:
        """The body, once `streamed` (what a model wrote after `prefix`) holds a whole function, else None.

        The function is complete when only something else can follow; with `ended` (the model stopped by itself)
        what is there counts, if it parses.  Returned without trailing blank lines, relative to column 0.
        """

    def solution_in(self, source: str, target: Target) -> Solution:
        """The bodies of the target's functions as `source`, a text that defines them, has them, and its imports.

        Raises:
            TargetNotFoundError: `source` lacks one of the functions.
        """

    def splice(self, text: str, target: Target, solution: Solution) -> tuple[TextEdit, ...]:
        """The edits that put `solution` in the target's place; they touch its bodies and the imports alone."""

    def render(self, text: str, target: Target, solution: Solution) -> str:
        """The text after `splice`."""

    def check(self, text: str, target: Target, solution: Solution) -> Checked:
        """The static part of the gate: completes the imports, renders, and looks for what cannot work."""

    def copied_answers(self, text: str, before: str, target: Target, tests: Sequence[str]) -> int:
        """How many of the tests' own input-output pairs the target's functions hold as constants; 0 if they compute, or
        if the user has named all of these in `before` as well, the text in which `target` was found.

        `tests` are the judge's sources.
        """

    def held_answers(
        self, text: str, before: str, target: Target, tests: Sequence[str], *, computes: bool = False
    ) -> int:
        """How many of the values that tests expect of the target stand as constants in `text` and not in `before`; 0
        unless these are nearly all (all of several, if it `computes` other answers from other inputs), and too telling
        to be there by chance; or all that a table of the tests' own inputs gives.  A suspicion, no proof.
        """

    def examples(self, text: str) -> dict[str, str]:
        """The examples in documentation that can be run as tests, with what they print, by qualified names."""

    def conduct(self, text: str, before: str, tests: Sequence[str] = ()) -> Conduct:
        """What `text` does beyond what `before`, the text it replaces, did.

        `tests` are the judge's sources: what they ask for is not unusual.
        """

    def module_problem(self, text: str, before: str, target: Target) -> str:
        """Why `text` cannot replace the whole module `before`: in one line, or empty if nothing speaks against it."""

    def twin(self, text: str, targets: Sequence[str], seed: int, *, known: bool = False) -> Twin:
        """A twin of the test file `text`: same ids, other expectations; see `Twin`.  `known`: as far as possible such
        as other tests of the file expect, so that what is equal to all of these is found, too.

        What passes a decided test of a twin is no honest implementation: it forges verdicts, or is equal to everything,
        or reads the expected values from its callers.  Deterministic by `seed`.
        """

    def twin_doctest(self, text: str, targets: Sequence[str], seed: int) -> Twin:
        """The same for the examples in the docstrings of the functions `targets` of a module."""

    def instrument(self, text: str, qualnames: dict[str, str]) -> str:
        """The text with a call `statement` (the dict's value) put first in the body of each named function."""

    def caller(self, text: str, target: Target) -> str | None:
        """The text with target functions that hand each call to another process; None if it cannot be made."""

    def callee(self, text: str, target: Target) -> str | None:
        """The text with the target's functions open to calls from another process; None if it lacks one of them."""

    def variables(self, text: str) -> tuple[str, ...]:
        """Names of what may change in the module: its variables, but for constants that cannot."""

    def rest_is_kept(self, before: str, after: str, target: Target) -> bool:
        """Whether `after` has all that `before` defines beside the target, unchanged; it may define more."""

    def new_test(
        self, text: str, framework: str, *, module: str, name: str, call: str, answer: str, raises: bool,
        is_async: bool = False,
    ) -> TextEdit:  # fmt: skip
        """The edit that adds to the test file `text` a test that `call` gives `answer`, or raises it.

        `module` is where `name`, the function that is called, is imported from.
        """

    def imported(self, text: str, path: Path, root: Path) -> tuple[Imported, ...]:
        """What the document at `path` imports that may be defined in the workspace `root`."""

    def names(self, text: str) -> tuple[str, ...]:
        """The public functions and classes that a text defines at its top level."""

    def outline(self, text: str, name: str) -> str:
        """The definition of `name` in `text` as others see it: signatures, no bodies; empty if there is none."""

    def canonical(self, text: str, target: Target) -> str:
        """A form of the target's functions that is equal for candidates that differ in nothing but layout, comments and
        names of locals.
        """


def apply_edits(text: str, edits: tuple[TextEdit, ...]) -> str:
    """The text after all `edits`, which must not overlap.

    Raises:
        ValueError: if they do, or lie outside the text.
    """
    pieces: list[str] = []
    position = 0
    for edit in sorted(edits, key=lambda e: (e.start, e.end)):
        if not position <= edit.start <= edit.end <= len(text):
            raise ValueError(f"edit {edit.start}..{edit.end} overlaps another or lies outside the text")
        pieces += (text[position : edit.start], edit.new_text)
        position = edit.end
    return "".join([*pieces, text[position:]])
