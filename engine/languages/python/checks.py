"""What can be known of a candidate without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from engine.languages.base import Checked, Solution, Target
from engine.languages.python.names import import_for, undefined_names
from engine.languages.python.source import PythonFunction, parse

if TYPE_CHECKING:
    from engine.languages.base import Language


def check(language: Language, text: str, target: Target, solution: Solution) -> Checked:
    """See `Language.check`."""
    for function in target.functions:
        if not solution.bodies.get(function.qualname, "").strip():
            return Checked(solution, text, f"{function.name} has no body")
    rendered = language.render(text, target, solution)
    problem = _syntax_problem(rendered)
    if problem and _syntax_problem(text):  # the file was broken before; what is broken is no fault of the candidate's
        return Checked(solution, rendered, _structure_problem(text, rendered, target))
    problem = problem or _structure_problem(text, rendered, target)
    if problem:
        return Checked(solution, rendered, problem)

    undefined = (undefined_names(rendered) or frozenset()) - (undefined_names(text) or frozenset())
    found = {name: import_for(name) for name in sorted(undefined)}
    unknown = [name for name, statement in found.items() if statement is None]
    if unknown:
        return Checked(solution, rendered, f"uses names that nothing defines: {', '.join(unknown)}")
    imports = tuple(statement for statement in found.values() if statement is not None)
    if imports:
        solution = evolve(solution, imports=(*solution.imports, *imports))
        rendered = language.render(text, target, solution)
    return Checked(solution, rendered)


def _syntax_problem(rendered: str) -> str:
    try:
        compile(rendered.removeprefix("\ufeff"), "candidate", "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"does not parse: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"does not parse: {error}"
    return ""


def _structure_problem(text: str, rendered: str, target: Target) -> str:
    """A body must stay inside its function: all signatures are there afterwards, in order and unchanged.

    What a target's old body defined goes with that body.
    """
    mine = {f.qualname for f in target.functions}
    before, after = parse(text).functions, parse(rendered).functions
    replaced = [f for f in before if f.qualname in mine]
    remaining = iter(after)
    for function in before:
        if any(f.body_start <= function.start < f.end for f in replaced):
            continue
        wanted = _interface(text, function, mine)
        if not any(_interface(rendered, f, mine) == wanted for f in remaining):
            return f"changes {function.qualname}, which is not its to change"
    for each in after:
        if each.qualname in mine and each.is_stub:
            return f"leaves {each.name} a stub"
    return ""


def _interface(text: str, function: PythonFunction, mine: set[str]) -> tuple[str, str]:
    """What must not change: name and signature, and the docstring too unless the candidate may write one."""
    name = function.qualname.partition("[")[0]  # the number depends on what other bodies define
    if function.qualname in mine:
        return name, text[function.line_start : function.header_end]
    return name, function.prefix
