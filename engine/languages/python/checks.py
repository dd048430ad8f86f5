"""What can be known of a candidate without running it."""

from __future__ import annotations

import ast
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


def module_problem(text: str, before: str, target: Target) -> str:
    """See `Language.module_problem`.  Parameters may be added, if they need not be given."""
    problem = _syntax_problem(text)
    if problem:
        return problem
    old, new = _definitions(before), _definitions(text)
    for function in target.functions:
        name = function.qualname.partition("[")[0]
        if name in old and name not in new:
            return f"does not define {name}"
        if name in old and not _takes_as_much(new[name], old[name]):
            return f"changes the signature of {name}"
    return ""


def _definitions(text: str) -> dict[str, ast.arguments | None]:
    """Functions by qualified name, the last of a name, with their parameters; None for a name that is only assigned."""
    found: dict[str, ast.arguments | None] = {}

    def look(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[prefix + node.name] = node.args
            elif isinstance(node, ast.ClassDef):
                look(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.Assign):
                found.update({prefix + each.id: None for each in node.targets if isinstance(each, ast.Name)})
            for inner in ("body", "orelse", "handlers", "finalbody"):
                if isinstance(node, ast.If | ast.Try | ast.With | ast.ExceptHandler):
                    look(getattr(node, inner, []), prefix)

    try:
        look(ast.parse(text.removeprefix("\ufeff")).body, "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    return found


def _takes_as_much(new: ast.arguments | None, old: ast.arguments | None) -> bool:
    """Whether what could be passed to `old` can be passed to `new`."""
    if new is None or old is None:
        return True
    news, olds = [*new.posonlyargs, *new.args], [*old.posonlyargs, *old.args]
    if not new.vararg and (len(news) < len(olds) or old.vararg):
        return False
    named = {a.arg for a in (*new.args, *new.kwonlyargs)}
    if not new.kwarg and (old.kwarg or not {a.arg for a in (*old.args, *old.kwonlyargs)} - {"self", "cls"} <= named):
        return False
    return len(news) - len(new.defaults) <= len(olds)


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
