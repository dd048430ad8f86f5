"""An editor's own arithmetic, written anew: positions in code units, and edits applied to text.

Nothing here is shared with the server, whose arithmetic it judges.
"""

from __future__ import annotations

import itertools

from lsprotocol import types

UNITS = {"utf-8": lambda char: len(char.encode("utf-8")), "utf-16": lambda char: 1 + (ord(char) > 0xFFFF),
         "utf-32": lambda char: 1}  # fmt: skip


def table(text: str, encoding: str) -> dict[tuple[int, int], int]:
    """The offset of every position of a text, by line and column."""
    known: dict[tuple[int, int], int] = {}
    line = column = 0
    for offset, char in enumerate(text):
        known[line, column] = offset
        if char == "\n" or (char == "\r" and text[offset + 1 : offset + 2] != "\n"):
            line, column = line + 1, 0
        else:
            column += UNITS[encoding](char)
    known[line, column] = len(text)
    return known


def position(text: str, offset: int, encoding: str) -> types.Position:
    """The position of an offset."""
    line, column = next(place for place, at in table(text, encoding).items() if at == offset)
    return types.Position(line, column)


def applied(text: str, edits: list[types.TextEdit], encoding: str) -> str:
    """The text after the edits.  A position that is none is an error, and so are edits that overlap."""
    known = table(text, encoding)
    spans = [
        (known[e.range.start.line, e.range.start.character], known[e.range.end.line, e.range.end.character], e.new_text)
        for e in edits
    ]
    spans.sort()
    for (_, end, _), (start, _, _) in itertools.pairwise(spans):
        assert end <= start, "edits overlap"
    for start, end, new in reversed(spans):
        text = text[:start] + new + text[end:]
    return text
