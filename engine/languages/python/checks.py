"""What can be known of a candidate without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from engine.languages.base import Checked, Solution, Target
from engine.languages.python.names import import_for, undefined_names
from engine.languages.python.source import parse

if TYPE_CHECKING:
    from engine.languages.base import Language


def check(language: Language, text: str, target: Target, solution: Solution) -> Checked:
    """See `Language.check`."""
    for function in target.functions:
        if not solution.bodies.get(function.qualname, "").strip():
            return Checked(solution, text, f"{function.name} has no body")
    rendered = language.render(text, target, solution)
    before = undefined_names(text)
    if before is None and undefined_names(rendered) is None:
        return Checked(solution, rendered, _structure_problem(text, rendered, target))
    problem = _syntax_problem(rendered) or _structure_problem(text, rendered, target)
    if problem:
        return Checked(solution, rendered, problem)

    undefined = (undefined_names(rendered) or frozenset()) - (before or frozenset())
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
        compile(rendered, "candidate", "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"does not parse: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"does not parse: {error}"
    return ""


def _structure_problem(text: str, rendered: str, target: Target) -> str:
    """A body must stay inside its function: all signatures are there afterwards, in order and unchanged."""
    old, new = parse(text).functions, {f.qualname: f for f in parse(rendered).functions}
    for function in old:
        after = new.get(function.qualname)
        if after is None or after.prefix != function.prefix:
            return f"changes {function.qualname}, which is not its to change"
    for each in target.functions:
        if new[each.qualname].is_stub:
            return f"leaves {each.name} a stub"
    return ""
