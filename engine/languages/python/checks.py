"""What can be known of a candidate without running it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import evolve

from engine.languages.base import Checked, Solution, Target
from engine.languages.python.names import import_for, undefined_names
from engine.languages.python.source import PythonFunction, parse
from engine.languages.python.syntax import tree_of

if TYPE_CHECKING:
    from engine.languages.base import Language


LONGEST = 1_000_000  # characters of a whole document


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


def module_problem(text: str, before: str, target: Target) -> str:
    """See `Language.module_problem`.  Signatures may change: whether they fit is for the tests to say."""
    problem = _syntax_problem(text)
    if problem:
        return problem
    bound = _bound(tree_of(text).body)
    wanted = {name.partition(".")[0] for name in target.names}
    return "" if not wanted or wanted & bound or "*" in bound else f"does not define {sorted(wanted)[0]}"


def _bound(body: Sequence[ast.stmt]) -> set[str]:
    """Names that the statements of a module's top level bind; `*` for those of an import that does not name them."""
    bound: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
            continue
        for each in ast.walk(node):
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                bound.add(each.id)
            elif isinstance(each, ast.alias):
                bound.add((each.asname or each.name).partition(".")[0])
            elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                bound.add(each.name)
    return bound


def _syntax_problem(rendered: str) -> str:
    if len(rendered) > LONGEST:
        return f"is {len(rendered):,} characters long; more than {LONGEST:,} are not looked at"
    try:
        compile(rendered.removeprefix("\ufeff"), "candidate", "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"does not parse: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"does not parse: {str(error) or 'it is nested too deeply'}"
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
    left = [f for f in after if f.qualname in mine and f.is_stub]
    if len(left) < len(mine):  # one of several that was empty may be meant to be
        empty = {f.qualname for f in replaced if "raise" not in text[f.body_start : f.end]}
        left = [f for f in left if f.qualname not in empty or "raise" in rendered[f.body_start : f.end]]
    return f"leaves {left[0].name} a stub" if left else ""


def _interface(text: str, function: PythonFunction, mine: set[str]) -> tuple[str, str]:
    """What must not change: name and signature, and the docstring too unless the candidate may write one."""
    name = function.qualname.partition("[")[0]  # the number depends on what other bodies define
    if function.qualname in mine:
        return name, text[function.line_start : function.header_end]
    return name, function.prefix
