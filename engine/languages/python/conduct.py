"""What a candidate's syntax tree may not do: the gate refuses what no honest function needs, and flags the unusual.

Judged is what the text does beyond the text it replaces: what the user's own module did already is not the
candidate's doing.  Rules live in `forbidden` and `lies`, `finder` applies them; names are seen through aliases, and
through constant expressions that only spell them.  A gate alone can be outwitted by names that come from elsewhere: it
is one of several walls, and the cheapest.
"""

from __future__ import annotations

import ast
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain

from engine.languages.base import Conduct
from engine.languages.python import forbidden
from engine.languages.python.finder import Finder
from engine.languages.python.naming import Finding
from engine.languages.python.scopes import Definition
from engine.languages.python.source import parse
from engine.languages.python.splicing import dedented
from engine.languages.python.syntax import deep, tree_of

_IMPORT = re.compile(r"(?:import|from)\s+[\w.]+(?:\s|,|$)[^()\\]*$")
"""An import that is whole on its line, at the top level."""


def conduct(text: str, before: str, tests: Sequence[str] = ()) -> Conduct:
    """What `text` does that `before` did not.  `tests`: sources of the judge, which may ask for what is rare."""
    spoken = "\n".join((before, *tests))
    rules = (_speaking(before), _expects_exit(spoken), spoken, _searches(text))
    known = Counter(finding.key for finding in findings(before, *rules))
    refused = _replaced_constant(text, before, "\n".join(tests))
    flags: dict[str, str] = {}
    for finding in findings(text, *rules):
        if known[finding.key]:
            known[finding.key] -= 1
        elif finding.refused:
            refused = refused or f"line {finding.line} {finding.message}"
        else:
            flags.setdefault(finding.message.partition(" (")[0], finding.message)
    return Conduct(refused, tuple(flags.values()))


@lru_cache(maxsize=8)
def findings(
    text: str, speaking: frozenset[str] = frozenset(), may_exit: bool = False, spoken: str = "", searches: bool = True
) -> tuple[Finding, ...]:
    """Everything that a rule has to say about a text, in its order.

    What cannot be looked through is a finding itself.  A text that this Python cannot read, since it is written for a
    later one or is half-typed, is looked through function by function.

    Args:
        speaking: names of functions that are about tests, and may name their files.
        may_exit: it is a program's, which may end itself.
        spoken, searches: see `Finder`.
    """
    finder = partial(Finder, speaking=speaking, may_exit=may_exit, spoken=spoken, searches=searches)
    try:
        tree = tree_of(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return tuple(chain.from_iterable(_part_findings(part, finder) for part in _parts(text)))
    return _tree_findings(tree, finder)


def _tree_findings(tree: ast.Module, made: Callable[[ast.Module], Finder]) -> tuple[Finding, ...]:
    finder = made(tree)
    try:
        with deep():
            finder.visit(tree)
    except (RecursionError, MemoryError):
        return (*finder.found, Finding("too deep", "is nested too deeply to be looked through", 1, refused=True))
    return tuple(finder.found)


def _part_findings(part: str, made: Callable[[ast.Module], Finder]) -> tuple[Finding, ...]:
    try:
        tree = tree_of(part)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        message = f"is written in a syntax that Greenfinch's own Python ({version}) cannot read"
        return (Finding(f"unread {part}", message, 1, refused=True),)  # what the user wrote so is known by its text
    return _tree_findings(tree, made)


def _parts(text: str) -> Iterator[str]:
    """Each function by itself, with what the text imports, since that tells what its names mean."""
    imports = "".join(f"{line}\n" for line in text.splitlines() if _IMPORT.match(line))
    end = 0
    for function in parse(text).functions:
        if function.start >= end:
            end = function.end
            yield imports + dedented(text, function)


def _replaced_constant(text: str, before: str, tests: str) -> str:
    """A constant of the module that the tests use, and that is an object of the text's own making now."""
    known = {name for name, value in _variables(before) if _is_literal(value)}
    made = {name: value for name, value in _variables(text) if name in known and re.search(rf"\b{name}\b", tests)}
    own = {function.name for function in _definitions(text)}
    for name, value in made.items():
        calls = (each.func for each in ast.walk(value) if isinstance(each, ast.Call))
        if any(isinstance(called, ast.Lambda) or ast.unparse(called).partition(".")[0] in own for called in calls):
            return f"line {value.lineno} makes {name}, a constant that the tests use, an object of its own"
    return ""


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def _variables(text: str) -> list[tuple[str, ast.expr]]:
    """Names at the top level of a text, and what they are assigned."""
    found = []
    for node in _parsed(text).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [(each.id, node.value) for each in targets if isinstance(each, ast.Name)]
    return found


def _definitions(text: str) -> list[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in ast.walk(_parsed(text)) if isinstance(node, kinds)]


@lru_cache(maxsize=4)
def _parsed(text: str) -> ast.Module:
    """The syntax tree; an empty one for a text that does not parse."""
    try:
        return tree_of(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _expects_exit(text: str) -> bool:
    return re.search(r"SystemExit|KeyboardInterrupt|sys\.exit|argparse|__main__|\b[Ee]xits?\b", text) is not None


def _searches(text: str) -> bool:
    return forbidden.WAYS.search(unicodedata.normalize("NFKC", text)) is not None  # as names are compared


@lru_cache(maxsize=4)
def _speaking(text: str) -> frozenset[str]:
    nodes = [node for node in _definitions(text) if isinstance(node, Definition)]
    said = ((node.name, f"{node.name}\n{ast.get_docstring(node)}") for node in nodes)
    return frozenset(name for name, words in said if forbidden.SPEAKS_OF_TESTS.search(words))
