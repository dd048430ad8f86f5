"""Puts candidates into a text: bodies in the style of the file, and the imports they need."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import reduce
from math import gcd

import tree_sitter

from engine.errors import TargetNotFoundError
from engine.languages.base import Function, Solution, Target, TextEdit
from engine.languages.python.source import PythonFunction, error_line, is_docstring, parse
from engine.languages.python.trees import Source, syntax_tree, walk

_NUMBER = re.compile(r"\[\d+\]$")  # of a name that is defined several times


def splice(text: str, target: Target, solution: Solution) -> tuple[TextEdit, ...]:
    """See `Language.splice`."""
    newline = "\r\n" if "\r\n" in text else "\n"
    unit = parse(text).indent_unit
    edits: list[TextEdit] = []
    for function in target.functions:
        body = solution.bodies.get(function.qualname)
        if body is None:
            continue
        lead = function.lead if isinstance(function, PythonFunction) else ""
        lines = ([lead] if lead else []) + reindented(body, unit).split("\n")
        protected = protected_lines(body)
        shift = 1 if lead else 0
        placed = [
            line if not line.strip() or number - shift in protected else function.indent + line
            for number, line in enumerate(lines)
        ]
        edits.append(TextEdit(function.body_start, function.end, newline + newline.join(placed)))
    imports = import_edit(text, solution.imports, newline)
    return (*([imports] if imports else []), *edits)


def solution_in(source: str, target: Target) -> Solution:
    """See `Language.solution_in`.  A method may stand in its class or by itself."""
    functions = {f.qualname: f for f in parse(source).functions}
    bodies: dict[str, str] = {}
    for wanted in target.functions:
        found = _last(functions.values(), wanted.qualname) or _last(functions.values(), wanted.name)
        found = found or functions.get(wanted.qualname) or functions.get(wanted.name)
        found = found or _last(functions.values(), _NUMBER.sub("", wanted.qualname))
        if found is None:
            line = error_line(source)
            error = f"; it has a syntax error in line {line}" if line else ""
            raise TargetNotFoundError(f"The candidate does not define {wanted.qualname}{error}.")
        bodies[wanted.qualname] = dedent(source[found.body_start : found.end].strip("\r\n"))
    data = source.encode("utf-8", "surrogatepass")
    imports = tuple(
        data[node.start_byte : node.end_byte].decode("utf-8", "surrogatepass")
        for node in syntax_tree(data).children
        if node.type in {"import_statement", "import_from_statement"}
    )
    return Solution(bodies, imports)


def _last(functions: Iterable[PythonFunction], name: str) -> PythonFunction | None:
    """The last definition of a name, as it is the one that counts; not one that only adds to an earlier one."""
    own = (f for f in functions if _NUMBER.sub("", f.qualname) == name)
    return next((f for f in reversed([*own]) if not any(map(_adds, f.decorators))), None)


def _adds(decorator: str) -> bool:
    return decorator.rpartition(".")[2] in {"overload", "setter", "deleter", "getter", "register"}


def dedent(body: str) -> str:
    """The body moved to column 0 by its first line's indentation; lines inside strings stay as they are."""
    protected = protected_lines(body)
    lines = body.replace("\r\n", "\n").split("\n")
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    return "\n".join(line if number in protected else line.removeprefix(indent) for number, line in enumerate(lines))


def prepend_statement(text: str, function: Function, statement: str) -> TextEdit:
    """An insertion of one statement before everything else that the body does."""
    shares_line = text[function.body_start : function.end].lstrip(" \t")[:1] not in {"", "\r", "\n", "#"}
    if function.body_start == function.header_end and shares_line:
        return TextEdit(function.header_end, function.header_end, f" {statement};")
    newline = "\r\n" if "\r\n" in text else "\n"
    return TextEdit(function.body_start, function.body_start, f"{newline}{function.indent}{statement}")


def dedented(text: str, function: Function) -> str:
    """The definition by itself, at column 0, decorators included."""
    source = Source(text)
    start = source.line_start(function.start)
    base = text[start : function.start]
    lines = text[start : function.end].replace("\r\n", "\n").split("\n")
    return "\n".join(line[len(base) :] if line.startswith(base) else line for line in lines)


def protected_lines(body: str) -> frozenset[int]:
    """Numbers (from 0) of lines that begin inside a string: their white space is the string's own."""
    if '"""' not in body and "'''" not in body and "\\\n" not in body:
        return frozenset()
    root = syntax_tree(body.encode("utf-8", "surrogatepass"))
    rows = (range(node.start_point.row + 1, node.end_point.row + 1) for node in walk(root) if node.type == "string")
    return frozenset(row for span in rows for row in span)


def reindented(body: str, unit: str) -> str:
    """The body with its own steps of indentation written as `unit`.

    Lines that continue a statement keep their place relative to its first line.
    """
    root = syntax_tree(body.encode("utf-8", "surrogatepass"))
    if root.has_error:
        return body
    protected = protected_lines(body)
    lines = body.split("\n")
    depths = [len(line) - len(line.lstrip(" ")) for line in lines]
    statements, comments = _first_rows(root)
    step = reduce(gcd, (depths[row] for row in statements), 0)
    if step < 2 or " " * step == unit:
        return body
    first_rows = statements | {row for row in comments if depths[row] % step == 0}
    old, new = 0, ""
    for row, depth in enumerate(depths):
        if row in protected or not lines[row].strip():
            continue
        rest = lines[row][depth:]
        if row in first_rows:
            old, new = depth, unit * (depth // step)
            lines[row] = new + rest
        elif depth >= old:
            lines[row] = new + " " * (depth - old) + rest
        else:
            lines[row] = new[: max(0, len(new) - (old - depth))] + rest
    return "\n".join(lines)


def _first_rows(root: tree_sitter.Node) -> tuple[set[int], set[int]]:
    """Rows on which statements or their clauses begin, and rows with a comment outside all brackets."""
    statements: set[int] = set()
    comments: set[int] = set()
    for node in walk(root):
        has_block = any(child.type == "block" for child in node.children)
        if node.type in {"module", "block"} or has_block:
            for child in node.named_children:
                if child.type == "comment":
                    comments.add(child.start_point.row)
                elif node.type in {"module", "block"} or child.type.endswith("_clause"):
                    statements.add(child.start_point.row)
    return statements, comments - statements


def import_edit(text: str, imports: tuple[str, ...], newline: str) -> TextEdit | None:
    """One insertion of the import statements that the text's head lacks: behind its imports, docstring, comments."""
    wanted = [statement for statement in imports if not re.search(rf"^{re.escape(statement)}\s*$", text, re.MULTILINE)]
    if not wanted:
        return None
    source = Source(text)
    lines = newline.join(wanted)
    last = None
    docstring = None
    for node in syntax_tree(source.data).children:
        if node.type in {"import_statement", "import_from_statement", "future_import_statement"}:
            last = node
        elif last is None and docstring is None and is_docstring(node):
            docstring = node
        elif node.type != "comment":
            break
    if last is not None:
        end = source.line_end(source.offset(last.end_byte))
        return TextEdit(end, end, newline + lines)
    if docstring is not None:
        end = source.line_end(source.offset(docstring.end_byte))
        return TextEdit(end, end, newline * 2 + lines)
    start = _after_head_comments(text)
    return TextEdit(start, start, lines + newline * 3)


def _after_head_comments(text: str) -> int:
    """Behind a byte order mark, `#!` and coding lines, and a comment block that a blank line ends."""
    match = re.match(r"\ufeff?(#!.*\r?\n)?(#.*coding[:=].*\r?\n)?((#.*\r?\n)+(\r?\n)+)?", text)
    return match.end() if match else 0
