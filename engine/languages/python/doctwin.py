"""The twin of a docstring's examples: what they expect is other than what an honest implementation prints."""

from __future__ import annotations

import ast
import doctest
import random
import re
from collections.abc import Sequence

from engine.languages.base import Twin
from engine.languages.python.altering import letters, other, source
from engine.languages.python.syntax import literal, tree_of
from engine.languages.python.testfile import Definition, Edit, TestFile

_EXCEPTION = re.compile(r"^(\s*)([A-Za-z_][\w.]*)(:.*)?$")


def twin_doctest(text: str, targets: Sequence[str], seed: int) -> Twin:
    """See `Language.twin_doctest`: in the docstrings of `targets`, every expected output is another."""
    try:
        file = TestFile(text, seed)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Twin(text, frozenset())
    edits: list[Edit] = []
    decided: set[str] = set()
    for name, docstring in _docstrings(file.tree, "").items():
        if name in targets:
            written = file.written(docstring)
            new = _altered(written, file.chance)
            if new != written:
                edits.append(file.replace(docstring, new))
                decided.add(name)
    twin = file.edited(edits)
    try:
        compile(twin.removeprefix("\ufeff"), "twin", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Twin(text, frozenset())
    return Twin(twin, frozenset(decided))


def examples(text: str) -> dict[str, str]:
    """The examples in docstrings, with what they print, by the qualified names of their functions and classes."""
    found: dict[str, str] = {}
    if ">>>" not in text:
        return found
    try:
        tree = tree_of(text)
        docstrings = {"": ast.get_docstring(tree) or ""}
        docstrings |= {name: str(literal.value) for name, literal in _docstrings(tree, "").items()}
        for name, docstring in docstrings.items():
            parts = doctest.DocTestParser().get_examples(docstring)
            if parts:
                found[name] = repr([(part.source, part.want, sorted(part.options.items())) for part in parts])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    return found


def as_tests(text: str) -> str:
    """The same as a test function, as far as they print literals."""
    lines = ["def test_examples():", "    pass"]
    for told in examples(text).values():
        for code, want, _ in literal(told):
            line = f"assert {code.strip()} == {want.strip()}"
            if code.count("\n") == want.count("\n") == 1 and _parses(line):
                lines.append(f"    {line}")
    return "\n".join(lines) + "\n"


def _parses(line: str) -> bool:
    try:
        tree_of(line)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _docstrings(node: ast.Module | ast.ClassDef, prefix: str) -> dict[str, ast.Constant]:
    found: dict[str, ast.Constant] = {}
    for each in node.body:
        if isinstance(each, Definition | ast.ClassDef):
            first = each.body[0]
            literal = first.value if isinstance(first, ast.Expr) else None
            if isinstance(literal, ast.Constant) and isinstance(literal.value, str):
                found[prefix + each.name] = literal
            if isinstance(each, ast.ClassDef):
                found |= _docstrings(each, f"{prefix}{each.name}.")
    return found


def _altered(written: str, chance: random.Random) -> str:
    """The docstring as it is written, with the expected output of each example changed."""
    quotes = written[-3:] if written[-3:] in {'"""', "'''"} else written[-1:]
    try:
        examples = doctest.DocTestParser().get_examples(written.removesuffix(quotes))
    except ValueError:
        return written
    lines = written.split("\n")
    for example in reversed(examples):
        if not example.want or example.options.get(doctest.SKIP):
            continue
        first = example.lineno + example.source.count("\n")
        last = first + example.want.count("\n") - 1
        if example.exc_msg is not None:
            _rename_exception(lines, first, last, chance)
        elif first == last:
            line = lines[first]
            ending = quotes if line.endswith(quotes) and first == len(lines) - 1 else ""
            space = line[: len(line) - len(line.lstrip())]
            lines[first] = space + _other_output(line.strip().removesuffix(quotes if ending else ""), chance) + ending
        else:
            lines.insert(last, lines[last][: len(lines[last]) - len(lines[last].lstrip())] + letters(chance))
    return "\n".join(lines)


def _other_output(output: str, chance: random.Random) -> str:
    try:
        new = source(other(literal(output), chance))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return f"{output} {letters(chance)}"
    return new if not re.search(r"\\|'''|\"\"\"", new) else f"{output} {letters(chance)}"


def _rename_exception(lines: list[str], first: int, last: int, chance: random.Random) -> None:
    for number in range(last, first, -1):
        found = _EXCEPTION.match(lines[number])
        if found:
            lines[number] = f"{found[1]}{found[2]}{letters(chance)}{found[3] or ''}"
            return
