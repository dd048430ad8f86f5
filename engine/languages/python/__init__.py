"""Python: the first language, and the measure of the `Language` protocol."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from engine.errors import TargetNotFoundError
from engine.languages.base import Checked, Conduct, Function, Imported, Solution, Target, TextEdit, Twin, apply_edits
from engine.languages.python import (
    apart,
    canonical,
    checks,
    completion,
    doctwin,
    newtest,
    outline,
    overfit,
    splicing,
    twin,
)
from engine.languages.python.conduct import conduct
from engine.languages.python.source import Class, Module, error_line, imports, parse


class Python:
    """Implements `engine.languages.base.Language` with tree-sitter, so that a half-typed file is no obstacle."""

    name = "python"
    comment = "#"
    constructors = frozenset({"__init__", "__new__", "__post_init__", "__attrs_post_init__"})

    def handles(self, path: Path) -> bool:
        return path.suffix in {".py", ".pyw"}

    def functions(self, text: str) -> tuple[Function, ...]:
        return parse(text).functions

    def target_at(self, path: Path, text: str, offset: int) -> Target:
        module = _readable(path, text)
        around = [f for f in module.functions if f.line_start <= offset <= f.line_end]
        if around:
            innermost = max(around, key=lambda f: f.line_start)
            return _function_target(path, module, _implementation(module, innermost))
        if module.hidden(offset):
            raise TargetNotFoundError(
                "A syntax error here hides the function from Greenfinch.",
                remedy="Complete the signature, up to its colon.",
            )
        classes = [c for c in module.classes if c.line_start <= offset <= c.line_end]
        if classes:
            return _class_target(path, text, module, max(classes, key=lambda c: c.line_start))
        return _module_target(path, text, module)

    def target_named(self, path: Path, text: str, qualname: str) -> Target:
        module = _readable(path, text)
        if not qualname:
            return _module_target(path, text, module)
        for function in module.functions:
            if function.qualname == qualname:
                return _function_target(path, module, _implementation(module, function))
        for each in module.classes:
            if each.qualname == qualname:
                return _class_target(path, text, module, each)
        names = [f.qualname for f in module.functions] + [c.qualname for c in module.classes]
        near = difflib.get_close_matches(qualname, names, n=3) or names[:8]
        raise TargetNotFoundError(
            f"{path.name} has no function or class {qualname!r}.{_syntax_error(path, text)}",
            remedy=f"It has: {', '.join(near)}." if near else "The file defines none at all.",
        )

    def imports(self, text: str) -> tuple[tuple[int, int], ...]:
        return imports(text)

    def complete_body(self, prefix: str, streamed: str, *, ended: bool) -> str | None:
        return completion.complete_body(prefix, streamed, ended=ended)

    def solution_in(self, source: str, target: Target) -> Solution:
        return splicing.solution_in(source, target)

    def splice(self, text: str, target: Target, solution: Solution) -> tuple[TextEdit, ...]:
        return splicing.splice(text, target, solution)

    def render(self, text: str, target: Target, solution: Solution) -> str:
        return apply_edits(text, self.splice(text, target, solution))

    def check(self, text: str, target: Target, solution: Solution) -> Checked:
        return checks.check(self, text, target, solution)

    def copied_answers(self, text: str, before: str, target: Target, tests: Sequence[str]) -> int:
        wanted = {f.qualname for f in target.functions}
        functions = [f for f in parse(text).functions if f.qualname in wanted]
        return overfit.copied_answers(text, before, functions, _with_examples(tests), target.functions)

    def held_answers(
        self, text: str, before: str, target: Target, tests: Sequence[str], *, computes: bool = False
    ) -> int:
        functions = [function for function in parse(text).functions if function.qualname in target.names]
        if all(overfit.takes_nothing(text, function) for function in functions):
            return 0  # what else is it to do
        sources = _with_examples(tests)
        expected = [value for test in sources for value in twin.expectations(test, target.names)]
        held = overfit.held_answers(text, before, expected, computes=computes)
        return held or overfit.copied_answers(text, before, functions, sources)

    def examples(self, text: str) -> dict[str, str]:
        return doctwin.examples(text)

    def conduct(self, text: str, before: str, tests: Sequence[str] = ()) -> Conduct:
        return conduct(text, before, tests)

    def module_problem(self, text: str, before: str, target: Target) -> str:
        return checks.module_problem(text, before, target)

    def twin(self, text: str, targets: Sequence[str], seed: int, *, known: bool = False) -> Twin:
        return twin.twin(text, targets, seed, known=known)

    def twin_doctest(self, text: str, targets: Sequence[str], seed: int) -> Twin:
        return doctwin.twin_doctest(text, targets, seed)

    def instrument(self, text: str, qualnames: dict[str, str]) -> str:
        functions = {f.qualname: f for f in parse(text).functions}
        edits = [
            splicing.prepend_statement(text, functions[qualname], statement)
            for qualname, statement in qualnames.items()
            if qualname in functions
        ]
        return apply_edits(text, tuple(edits))

    def caller(self, text: str, target: Target) -> str | None:
        return apart.caller(text, target)

    def callee(self, text: str, target: Target) -> str | None:
        return apart.callee(text, [function.qualname for function in target.functions])

    def variables(self, text: str) -> tuple[str, ...]:
        return apart.variables(text)

    def rest_is_kept(self, before: str, after: str, target: Target) -> bool:
        return apart.rest_is_kept(before, after, target)

    def new_test(
        self, text: str, framework: str, *, module: str, name: str, call: str, answer: str, raises: bool,
        is_async: bool = False,
    ) -> TextEdit:  # fmt: skip
        return newtest.new_test(text, framework, module=module, name=name, call=call, answer=answer, raises=raises,
                                is_async=is_async)  # fmt: skip

    def imported(self, text: str, path: Path, root: Path) -> tuple[Imported, ...]:
        return outline.imported(text, path, root)

    def names(self, text: str) -> tuple[str, ...]:
        return outline.names(text)

    def outline(self, text: str, name: str) -> str:
        return outline.outline(text, name)

    def canonical(self, text: str, target: Target) -> str:
        wanted = {f.qualname for f in target.functions}
        functions = [f for f in parse(text).functions if f.qualname in wanted]
        return "\n".join(canonical.canonical(splicing.dedented(text, function)) for function in functions)


def _with_examples(tests: Sequence[str]) -> list[str]:
    """The sources, and the examples in their docstrings as tests."""
    return [*tests, *(doctwin.as_tests(test) for test in tests if ">>>" in test)]


def _readable(path: Path, text: str) -> Module:
    if re.search(r"\r(?!\n)", text):
        raise TargetNotFoundError(
            f"{path.name} has old Macintosh line ends (carriage returns alone), which Greenfinch cannot edit.",
            remedy="Convert it to line feeds.",
        )
    return parse(text)


def _syntax_error(path: Path, text: str) -> str:
    """Tells of a syntax error, if there is one, as a reason why something was not found."""
    line = error_line(text)
    return f" {path.name} has a syntax error in line {line}, which may hide it." if line else ""


def _implementation(module: Module, function: Function) -> Function:
    """The function itself, or for a signature marked `@overload` the implementation that follows it."""
    if not _is_overload(function):
        return function
    siblings = [f for f in module.functions if _plain(f.qualname) == _plain(function.qualname) and not _is_overload(f)]
    later = [f for f in siblings if f.start > function.start]
    if not later:
        raise TargetNotFoundError(
            f"{function.qualname} has overloads but no implementation yet.",
            remedy="Add the implementation's own `def` line below the overloads.",
        )
    return later[0]


def _plain(qualname: str) -> str:
    return qualname.partition("[")[0]


def _is_overload(function: Function) -> bool:
    return any(d.rpartition(".")[2] == "overload" for d in function.decorators)


def _is_open(function: Function) -> bool:
    """A stub that somebody means to fill: overloads and abstract methods are complete as they are."""
    names = {d.rpartition(".")[2] for d in function.decorators}
    return function.is_stub and not names & {"overload", "abstractmethod"}


def _function_target(path: Path, module: Module, function: Function) -> Target:
    method = any(function.qualname.startswith(f"{c.qualname}.") for c in module.classes)
    kind: Literal["function", "method"] = "method" if method else "function"
    return Target(path, function.qualname, kind, function.start, function.end, (function,))


def _class_target(path: Path, text: str, module: Module, each: Class) -> Target:
    inside = (f for f in module.functions if each.line_start <= f.start <= each.line_end)
    stubs = tuple(f for f in inside if _is_open(f))
    if each.is_protocol or not stubs:
        raise TargetNotFoundError(f"Class {each.qualname} has no stubs to implement.{_syntax_error(path, text)}")
    return Target(path, each.qualname, "class", each.line_start, each.line_end, stubs)


def _module_target(path: Path, text: str, module: Module) -> Target:
    protocols = [c for c in module.classes if c.is_protocol]
    stubs = tuple(
        f for f in module.functions if _is_open(f) and not any(c.line_start <= f.start <= c.line_end for c in protocols)
    )
    if not stubs:
        raise TargetNotFoundError(
            f"{path.name} has no stubs here.{_syntax_error(path, text)}",
            remedy="A stub is a function whose body is empty, `...`, `pass` or `raise NotImplementedError`.",
        )
    return Target(path, "", "module", 0, len(text), stubs)
