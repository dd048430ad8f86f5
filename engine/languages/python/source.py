"""Reads functions and classes out of Python text that may be broken, with tree-sitter."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from functools import lru_cache

import tree_sitter
from attrs import evolve, frozen

from engine.languages.base import Function
from engine.languages.python import syntax
from engine.languages.python.trees import Marks, Source, syntax_tree, walk

_SPACE = re.compile(r"[ \t\f]*")
_PLAIN_STRING = re.compile(rb"[rRuU]?[\"']")
_IMPORTS = {"import_statement", "import_from_statement", "future_import_statement"}
_BROKEN_HEADERS = 8  # as many half-typed definitions are looked past in one text
_MOST_KNOWN = 2048  # functions


@frozen
class PythonFunction(Function):
    """A function with what only Python's splicing needs.

    Attributes:
        line_start, line_end: offsets of its first line's start and its last line's end.
        lead: a docstring that shares the signature's line and has to be written anew below it.
        base_indent: white space before its `def`.
    """

    line_start: int = 0
    line_end: int = 0
    lead: str = ""
    base_indent: str = ""


@frozen
class Class:
    qualname: str
    line_start: int
    line_end: int
    is_protocol: bool


@frozen
class Module:
    """What a text defines.

    Attributes:
        broken: spans in which a syntax error hides what stands there.
        indent_unit: one step of indentation as this text writes it.
    """

    functions: tuple[PythonFunction, ...]
    classes: tuple[Class, ...]
    broken: tuple[tuple[int, int], ...]
    indent_unit: str

    def hidden(self, offset: int) -> bool:
        return any(start <= offset <= end for start, end in self.broken)


_functions: dict[tuple[str, int, int, str], PythonFunction] = {}  # at offset 0, without names, by what they consist of


@lru_cache(maxsize=8)
def parse(text: str) -> Module:
    """Everything that `text` defines, past half-typed definitions."""
    source = Source(text)
    data = source.data
    broken: list[tuple[int, int]] = []
    root = syntax_tree(data)
    marks = Marks.of(root)
    for _ in range(_BROKEN_HEADERS):
        span = _broken_header(marks, data) if root.has_error else None
        if span is None:
            break
        broken.append(span)
        data = data[: span[0]] + b" " * (span[1] - span[0]) + data[span[1] :]
        root = syntax_tree(data)
        marks = Marks.of(root)
    unit = _indent_unit(root, source)
    functions, classes = _defined(marks, source, unit)
    spans = tuple((source.offset(start), source.offset(end)) for start, end in broken)
    return Module(_numbered(functions), tuple(classes), spans, unit)


def error_line(text: str) -> int | None:
    """Number, from 1, of the line with the text's first syntax error; None if it has none."""
    try:
        syntax.tree_of(text)
    except SyntaxError as error:
        return error.lineno or 1
    except (ValueError, RecursionError, MemoryError):
        return None
    return None


def imports(text: str) -> tuple[tuple[int, int], ...]:
    """See `Language.imports`."""
    source = Source(text)
    spans: list[tuple[int, int]] = []
    for node in walk(syntax_tree(source.data)):
        if node.type not in _IMPORTS:
            continue
        start, end = source.offset(node.start_byte), source.offset(node.end_byte)
        line_start, line_end = source.line_start(start), source.line_end(end)
        if not text[line_start:start].strip(" \t\f\ufeff") and _end_with_comment(source, end) == line_end:
            spans.append((line_start, text.find("\n", line_end) + 1 or len(text)))
    return tuple(spans)


def _broken_header(marks: Marks, data: bytes) -> tuple[int, int] | None:
    """Bytes of the line on which a definition stands whose signature cannot be read."""
    keyword = next((k for error in marks.errors if (k := _half_typed(error))), None)
    if keyword is None:
        for node in marks.definitions:
            if not node.has_error:
                continue
            parts = [child for child in node.children if child.type != "block"]
            if any(part.has_error or part.is_missing for part in parts):
                keyword = parts[0]
                break
    if keyword is None:
        return None
    start = data.rfind(b"\n", 0, keyword.start_byte) + 1
    end = data.find(b"\n", keyword.start_byte)
    return start, len(data) if end < 0 else end


def _half_typed(error: tree_sitter.Node) -> tree_sitter.Node | None:
    """The first `def` or `class` among an error's children whose signature is not whole."""
    for index, child in enumerate(error.children):
        if child.type in {"def", "class"}:
            following = [sibling.type for sibling in error.children[index + 1 : index + 4]]
            whole = [kind for kind in following if kind not in {"identifier", "parameters", "argument_list"}]
            if whole[:1] != [":"]:
                return child
    return None


def _defined(marks: Marks, source: Source, unit: str) -> tuple[list[PythonFunction], list[Class]]:
    functions: list[PythonFunction] = []
    classes: list[Class] = []
    around: list[tuple[int, str]] = []  # where the definitions end that the next one lies in, and their names
    for node in marks.definitions:
        while around and around[-1][0] <= node.start_byte:
            around.pop()
        scope = around[-1][1] if around else ""
        name_node = node.child_by_field_name("name")
        name = name_node.text.decode("utf-8", "replace") if name_node is not None and name_node.text else ""
        qualname = f"{scope}.{name}" if scope else name
        around.append((node.end_byte, qualname))
        if node.type == "class_definition":
            classes.append(_class(node, qualname, source))
        else:
            functions.append(_known(node, qualname, source, unit))
    return functions, classes


def _known(node: tree_sitter.Node, qualname: str, source: Source, unit: str) -> PythonFunction:
    """The function of a node, read anew only if its own lines have changed since a function like it was read.

    While a file is edited nearly all of its functions stay as they are, and to read one takes longer than to parse it.
    """
    start = source.line_start(source.offset(_whole(node).start_byte))
    if node.has_error:  # what such a node holds depends on what stands around it
        return _function(node, qualname, source, unit)
    end = source.line_end(source.offset(node.end_byte))
    key = (source.text[start:end], source.offset(node.start_byte) - start, node.descendant_count, unit)
    known = _functions.get(key)
    if known is None:
        if len(_functions) >= _MOST_KNOWN:
            _functions.clear()
        known = _functions[key] = _moved(_function(node, "", source, unit), "", -start)
    return _moved(known, qualname, start)


def _moved(function: PythonFunction, qualname: str, by: int) -> PythonFunction:
    return PythonFunction(
        qualname=qualname,
        start=function.start + by,
        header_end=function.header_end + by,
        body_start=function.body_start + by,
        end=function.end + by,
        indent=function.indent,
        prefix=function.prefix,
        docstring=function.docstring,
        is_stub=function.is_stub,
        is_async=function.is_async,
        decorators=function.decorators,
        line_start=function.line_start + by,
        line_end=function.line_end + by,
        lead=function.lead,
        base_indent=function.base_indent,
    )


def _class(node: tree_sitter.Node, qualname: str, source: Source) -> Class:
    bases = node.child_by_field_name("superclasses")
    text = bases.text.decode("utf-8", "replace") if bases is not None and bases.text else ""
    start, end = source.offset(_whole(node).start_byte), source.offset(node.end_byte)
    is_protocol = re.search(r"\bProtocol\b", text) is not None
    return Class(qualname, source.line_start(start), source.line_end(end), is_protocol)


def _whole(node: tree_sitter.Node) -> tree_sitter.Node:
    """The definition with its decorators."""
    parent = node.parent
    return parent if parent is not None and parent.type == "decorated_definition" else node


def _function(node: tree_sitter.Node, qualname: str, source: Source, unit: str) -> PythonFunction:
    colon = [child for child in node.children if child.type == ":"][-1]
    block = next((child for child in node.children if child.type == "block"), None)
    statements = [c for c in block.children if c.is_named and c.type != "comment"] if block is not None else []
    start, header_end = source.offset(_whole(node).start_byte), source.offset(colon.end_byte)
    line_start = source.line_start(start)
    def_line = source.line_start(source.offset(node.start_byte))
    base_indent = _leading_space(source.text, def_line)
    header_line_end = source.line_end(header_end)

    doc = statements[0] if statements and is_docstring(statements[0]) else None
    rest = statements[1:] if doc is not None else statements
    lead = ""
    if not statements:
        body_start = end = header_line_end
    elif source.offset(statements[0].start_byte) <= header_line_end:  # the body shares the signature's line
        body_start = header_end
        lead = _slice(source, doc) if doc is not None else ""
    elif doc is not None:
        doc_end = source.offset(doc.end_byte)
        shares_line = rest and source.offset(rest[0].start_byte) <= source.line_end(doc_end)
        body_start = doc_end if shares_line else source.line_end(doc_end)
    else:
        body_start = header_line_end
    if statements:
        end = max(body_start, _end_with_comment(source, source.offset(statements[-1].end_byte)))

    first_line = source.line_start(source.offset(statements[0].start_byte)) if statements else 0
    own_line = bool(statements) and first_line > source.line_start(header_end)
    indent = _leading_space(source.text, first_line) if own_line else base_indent + unit
    prefix = source.text[line_start:header_end] + "\n" + f"{indent}{lead}\n" if lead else ""
    return PythonFunction(
        qualname=qualname,
        start=start,
        header_end=header_end,
        body_start=body_start,
        end=end,
        indent=indent,
        prefix=_dedent(prefix or source.text[line_start:body_start].rstrip() + "\n", base_indent),
        docstring=_string_value(_slice(source, doc)) if doc is not None else None,
        is_stub=_is_stub(rest, source),
        is_async=any(child.type == "async" for child in node.children),
        decorators=_decorators(node, source),
        line_start=line_start,
        line_end=source.line_end(max(end, source.offset(node.end_byte))),
        lead=lead,
        base_indent=base_indent,
    )


def _numbered(functions: list[PythonFunction]) -> tuple[PythonFunction, ...]:
    """Definitions of one name (a property and its setter, overloads) told apart: `C.x`, `C.x[2]`."""
    seen: Counter[str] = Counter()
    numbered: list[PythonFunction] = []
    for function in functions:
        seen[function.qualname] += 1
        count = seen[function.qualname]
        numbered.append(function if count == 1 else evolve(function, qualname=f"{function.qualname}[{count}]"))
    return tuple(numbered)


def _end_with_comment(source: Source, offset: int) -> int:
    """Behind a comment (or a stray semicolon) on the statement's own last line."""
    rest = source.text[offset : source.line_end(offset)]
    return offset + len(rest) if re.fullmatch(r"[ \t]*;?[ \t]*(#.*)?", rest) else offset


def is_docstring(node: tree_sitter.Node) -> bool:
    """Whether a statement is nothing but a plain string, be it in pieces or parentheses."""
    if node.type != "expression_statement" or len(node.children) != 1:
        return False
    stack = node.named_children
    while stack:
        current = stack.pop()
        if current.type in {"concatenated_string", "parenthesized_expression"}:
            stack.extend(child for child in current.named_children if child.type != "comment")
        elif current.type != "string" or not _PLAIN_STRING.match(current.text or b""):
            return False
    return True


def _is_stub(statements: list[tree_sitter.Node], source: Source) -> bool:
    texts = [_slice(source, statement) for statement in statements]
    return all(
        text in {"...", "pass"} or re.match(r"raise\s+NotImplementedError\b", text) is not None for text in texts
    )


def _decorators(node: tree_sitter.Node, source: Source) -> tuple[str, ...]:
    whole = _whole(node)
    texts = [_slice(source, child) for child in whole.children if child.type == "decorator"]
    return tuple(text[1:].partition("(")[0].strip() for text in texts)


def _slice(source: Source, node: tree_sitter.Node) -> str:
    return source.text[source.offset(node.start_byte) : source.offset(node.end_byte)]


def _string_value(literal: str) -> str:
    try:
        value = syntax.literal(literal)
    except (SyntaxError, ValueError):
        return literal
    return inspect.cleandoc(value) if isinstance(value, str) else literal


def _leading_space(text: str, start: int) -> str:
    """The white space that begins the line at `start`."""
    match = _SPACE.match(text, start)
    return match.group() if match else ""


def _dedent(text: str, indent: str) -> str:
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line[len(indent) :] if line.startswith(indent) else line.lstrip() for line in lines)


def _indent_unit(root: tree_sitter.Node, source: Source) -> str:
    """One step of indentation: the first block's that begins a line, against what it belongs to; else four spaces."""
    for node in walk(root):
        if node.type != "block" or node.parent is None or not node.named_children:
            continue
        start = source.offset(node.start_byte)
        line = source.line_start(start)
        outer = _leading_space(source.text, source.line_start(source.offset(node.parent.start_byte)))
        inner = _leading_space(source.text, line)
        if line + len(inner) == start and inner != outer and inner.startswith(outer):
            return inner.removeprefix(outer)
    return "    "
