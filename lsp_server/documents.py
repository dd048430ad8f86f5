"""Open documents as LSP counts them, and the texts that the engine is to see instead of the disk's.

LSP ends a line at `\\n`, `\\r\\n` or `\\r`, and nothing else; pygls' documents split lines with `str.splitlines`, which
also splits at form feeds and other separators, and would lose step with the editor there.  Columns are counted in the
encoding agreed on with the client; everything behind this module counts code points.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lsprotocol import types
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument, Workspace

from engine.errors import TargetNotFoundError

Encoding = types.PositionEncodingKind | str | None

_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_PROJECT_MARKERS = ("pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "pytest.ini", ".git", ".hg")


def offset_at(text: str, position: types.Position, encoding: Encoding) -> int:
    """Code point offset of a client's position; beyond a line's or the text's end it is that end."""
    starts = _line_starts(text)
    if position.line >= len(starts):
        return len(text)
    start = starts[position.line]
    line = _LINE_BREAK.split(text[start : _next_start(starts, position.line, text)], maxsplit=1)[0]
    if line.isascii() or encoding == types.PositionEncodingKind.Utf32:
        return start + min(position.character, len(line))
    units = column = 0
    while column < len(line) and units < position.character:
        units += _units(line[column], encoding)
        column += 1
    return start + column


def position_at(text: str, offset: int, encoding: Encoding) -> types.Position:
    """A client's position of a code point offset."""
    starts = _line_starts(text)
    line = bisect_right(starts, offset) - 1
    return types.Position(line, _units(text[starts[line] : offset], encoding))


@lru_cache(maxsize=8)
def _line_starts(text: str) -> tuple[int, ...]:
    return (0, *(match.end() for match in _LINE_BREAK.finditer(text)))


def _next_start(starts: tuple[int, ...], line: int, text: str) -> int:
    return starts[line + 1] if line + 1 < len(starts) else len(text)


def _units(text: str, encoding: Encoding) -> int:
    if text.isascii() or encoding == types.PositionEncodingKind.Utf32:
        return len(text)
    if encoding == types.PositionEncodingKind.Utf8:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2  # UTF-16 is the protocol's default


class Document(TextDocument):
    """A text document that counts lines and columns by LSP's rules.

    Attributes:
        on_change: gets the document after each single change, those that come in one notification included.
    """

    on_change: Callable[[Document], None] | None = None

    @property
    def source(self) -> str:
        if self._source is None:  # not open in the editor: as it lies on disk, line ends included
            return Path(self.path).read_bytes().decode("utf-8", "replace")
        return self._source

    @property
    def lines(self) -> tuple[str, ...]:
        starts = _line_starts(self.source)
        return tuple(self.source[a:b] for a, b in zip(starts, [*starts[1:], len(self.source)], strict=True))

    def offset_at_position(self, client_position: types.Position) -> int:
        return offset_at(self.source, client_position, self.position_codec.encoding)

    def client_position_at_offset(self, offset: int) -> types.Position:
        return position_at(self.source, offset, self.position_codec.encoding)

    def apply_change(self, change: types.TextDocumentContentChangeEvent) -> None:
        super().apply_change(change)
        if self.on_change is not None:
            self.on_change(self)

    def _apply_incremental_change(self, change: types.TextDocumentContentChangePartial) -> None:
        text, encoding = self.source, self.position_codec.encoding
        start = offset_at(text, change.range.start, encoding)
        end = offset_at(text, change.range.end, encoding)
        self._source = text[:start] + change.text + text[end:]


class Documents(Workspace):
    """The workspace's folders and open documents."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._watchers: dict[str, list[Callable[[str], None]]] = {}

    @classmethod
    def like(cls, other: Workspace) -> Documents:
        """The same folders and encoding as pygls' own workspace of a client that has just been initialized."""
        folders = list(other.folders.values())
        return cls(other.root_uri, types.TextDocumentSyncKind.Incremental, folders, other.position_encoding)

    def get_text_document(self, doc_uri: str) -> Document:
        document = super().get_text_document(doc_uri)
        assert isinstance(document, Document)  # noqa: S101 - `_create_text_document` makes no other
        return document

    def _create_text_document(
        self, doc_uri: str, source: str | None = None, version: int | None = None, language_id: str | None = None
    ) -> Document:
        document = Document(doc_uri, source, version, language_id, position_codec=self.position_codec)
        document.on_change = self._changed
        return document

    def put_text_document(self, *args: Any, **kwargs: Any) -> None:
        super().put_text_document(*args, **kwargs)
        opened: types.TextDocumentItem = kwargs["text_document"] if "text_document" in kwargs else args[0]
        self._changed(self.get_text_document(opened.uri))

    def is_open(self, uri: str) -> bool:
        return unquote(uri) in self.text_documents  # pygls' keys

    @contextmanager
    def watched(self, uri: str, see: Callable[[str], None]) -> Iterator[None]:
        """In the block `see` gets every text that an open document comes to have, as `Document.on_change` tells."""
        watchers = self._watchers.setdefault(unquote(uri), [])
        watchers.append(see)
        try:
            yield
        finally:
            watchers.remove(see)
            if not watchers:
                self._watchers.pop(unquote(uri), None)

    def _changed(self, document: Document) -> None:
        for see in self._watchers.get(unquote(document.uri), ()):
            see(document.source)

    def buffers(self) -> dict[Path, str]:
        """The texts of all open documents that are files."""
        return {
            Path(path): document.source
            for uri, document in self.text_documents.items()
            if uri.startswith("file:") and (path := to_fs_path(document.uri)) is not None
        }

    def root_of(self, path: Path) -> Path:
        """The innermost workspace folder that holds `path`, else the project that its parents show."""
        folders = [to_fs_path(folder.uri) for folder in self.folders.values()] or [self.root_path]
        around = [Path(folder) for folder in folders if folder and Path(folder) in path.parents]
        if around:
            return max(around, key=lambda folder: len(folder.parts))
        marked = (parent for parent in path.parents if any((parent / name).exists() for name in _PROJECT_MARKERS))
        return next(marked, path.parent)


def path_of(uri: str) -> Path:
    """The file that a document is.

    Raises:
        TargetNotFoundError: for a document that is no file, such as one that was never saved.
    """
    path = to_fs_path(uri) if uri.startswith("file:") else None
    if path is None:
        raise TargetNotFoundError(
            f"{uri} is not a file on this machine, so no test can reach it.", remedy="Save it in your project first."
        )
    return Path(path)
