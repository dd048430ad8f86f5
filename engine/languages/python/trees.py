"""Concrete syntax trees of Python text that may be broken, with tree-sitter, and the way between its offsets and ours.

What is looked for in a whole tree is looked for by tree-sitter's own queries: to visit each node from Python takes
several times as long as to parse the text.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

import tree_sitter
import tree_sitter_python
from attrs import frozen

_LANGUAGE = tree_sitter.Language(tree_sitter_python.language())
_MARKS = tree_sitter.Query(
    _LANGUAGE, "[(function_definition) (class_definition)] @definition (ERROR) @error"
)  # fmt: skip
_BLOCK = 256  # code points between two known byte offsets


class Source:
    """A text with its UTF-8 bytes and the way between their offsets (tree-sitter counts bytes)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.data = text.encode("utf-8", "surrogatepass")
        self._starts: list[int] | None = None  # byte offset of each block of code points
        if len(self.data) != len(text):
            blocks = (text[at : at + _BLOCK] for at in range(0, len(text), _BLOCK))
            self._starts = [0, *accumulate(len(block.encode("utf-8", "surrogatepass")) for block in blocks)]

    def offset(self, byte: int) -> int:
        """Code point offset of a byte offset; of one within a code point, that of the next."""
        if self._starts is None:
            return byte
        while byte < len(self.data) and self.data[byte] & 0xC0 == 0x80:
            byte += 1
        block = bisect_right(self._starts, byte) - 1
        before = self.data[self._starts[block] : byte].decode("utf-8", "surrogatepass")
        return min(block * _BLOCK + len(before), len(self.text))

    def line_start(self, offset: int) -> int:
        return self.text.rfind("\n", 0, offset) + 1

    def line_end(self, offset: int) -> int:
        """Offset of the line's break (before its `\\r`, if it has one), or of the text's end."""
        end = self.text.find("\n", offset)
        if end < 0:
            return len(self.text)
        return end - 1 if end > offset and self.text[end - 1] == "\r" else end


@frozen
class Marks:
    """Nodes of a tree, in the order of the text: an outer one before those in it."""

    definitions: tuple[tree_sitter.Node, ...]
    errors: tuple[tree_sitter.Node, ...]

    @classmethod
    def of(cls, root: tree_sitter.Node) -> Marks:
        found = tree_sitter.QueryCursor(_MARKS).captures(root)
        return cls(*(tuple(sorted(found.get(name, ()), key=_place)) for name in ("definition", "error")))


def _place(node: tree_sitter.Node) -> tuple[int, int]:
    return node.start_byte, -node.end_byte


def syntax_tree(data: bytes) -> tree_sitter.Node:
    """Root of the concrete syntax tree of UTF-8 source."""
    if data.startswith(b"\xef\xbb\xbf"):  # a byte order mark is no Python token: a comment of the same length is
        data = b"# \n" + data[3:]
    return tree_sitter.Parser(_LANGUAGE).parse(data).root_node


def walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """The node and all below it, in the order of the text; iterative, so that deep nesting is no danger."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(current.children))
