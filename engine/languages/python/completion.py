"""Knows when a streamed function is complete, so that not one token more is sampled."""

from __future__ import annotations

import re

from engine.languages.python.splicing import dedent
from engine.languages.python.trees import syntax_tree

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<triple>[rbfutRBFUT]{0,2}(?P<quotes>\"\"\"|'''))
      | (?P<single>[rbfutRBFUT]{0,2}(?P<quote>["']))
      | (?P<open>[(\[{]) | (?P<close>[)\]}])
      | (?P<continued>\\\n)
      | (?P<other>\w+|[^\w])""",
    re.VERBOSE,
)


def complete_body(prefix: str, streamed: str, *, ended: bool) -> str | None:
    """See `Language.complete_body`.  `prefix` ends in a line break and its `def` stands at column 0."""
    cut = _end_of_function(streamed)
    if cut is None:
        if not ended:
            return None
        cut = len(streamed)
    body = _trimmed(streamed[:cut])
    return _without_docstring(prefix, dedent(body))


def _end_of_function(streamed: str) -> int | None:
    """Offset of the first line that cannot belong to the function: at column 0, or a fence, outside brackets
    and strings.  None while the function may go on.

    The last line counts as soon as its first character is there: a token stream breaks lines anywhere.
    """
    for match in re.finditer(r"^(?=\S)|^[ \t]+(?=```)", streamed, re.MULTILINE):
        start = match.start()
        if not _open_at(streamed, start):
            return start
    return None


def _open_at(code: str, end: int) -> bool:
    """Whether position `end` of `code`, which starts outside everything, lies in a bracket, string or joined line."""
    depth = 0
    position = 0
    while position < end:
        match = _TOKEN.match(code, position)
        if match is None:  # cannot happen: `other` takes any character
            return False
        position = match.end()
        if match["triple"]:
            closing = _closing(code, position, match["quotes"])
            if closing is None or closing > end:
                return True
            position = closing
        elif match["single"]:
            position = _line_string_end(code, position, match["quote"])
        elif match["open"]:
            depth += 1
        elif match["close"]:
            depth = max(0, depth - 1)
        elif match["continued"] and position == end:
            return True
    return depth > 0


def _closing(code: str, position: int, quotes: str) -> int | None:
    """Offset behind the closing quotes, skipping escapes."""
    match = re.compile(rf"(?:\\.|(?!{quotes})[^\\])*{quotes}", re.DOTALL).match(code, position)
    return match.end() if match else None


def _line_string_end(code: str, position: int, quote: str) -> int:
    """Offset behind a one-line string; an unterminated one ends with its line."""
    match = re.compile(rf"(?:\\.|[^\\\n{quote}])*{quote}?", re.DOTALL).match(code, position)
    return match.end() if match else position


def _trimmed(body: str) -> str:
    lines = body.replace("\r\n", "\n").split("\n")
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and (not lines[-1].strip() or lines[-1].strip().startswith("```")):
        lines.pop()
    return "\n".join(line.rstrip() if not line.strip() else line for line in lines)


def _without_docstring(prefix: str, body: str) -> str:
    """Drops a second docstring: some models repeat the one that their reply was prefilled with."""
    if not re.match(r"[rRuU]?(\"|')", body) or not prefix.rstrip().endswith(('"', "'")):
        return body
    first, *rest = (c for c in syntax_tree(body.encode("utf-8", "surrogatepass")).children if c.type != "comment")
    if not rest or first.type != "expression_statement" or first.children[0].type != "string":
        return body
    return body.encode("utf-8", "surrogatepass")[rest[0].start_byte :].decode("utf-8", "surrogatepass")
