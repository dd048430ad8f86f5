"""What a cursor or a command's arguments point at."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from attrs import frozen
from lsprotocol import types
from pygls.uris import from_fs_path

from engine.errors import StaleTargetError, TargetNotFoundError
from engine.languages import language_for
from engine.languages.base import Function, Language, Target
from lsp_server.documents import Documents, path_of

T = TypeVar("T")


class UnknownLanguageError(TargetNotFoundError):
    """The file is not in a language in which there is anything to implement."""


@frozen
class Place:
    """A target in an open document, or in a file.

    Attributes:
        root: the workspace folder or project that the file belongs to.
    """

    uri: str
    root: Path
    target: Target

    @property
    def key(self) -> Hashable:
        return (self.target.path, self.target.qualname)

    @property
    def label(self) -> str:
        return self.target.label

    @property
    def root_uri(self) -> str:
        return from_fs_path(str(self.root)) or ""

    @property
    def argument(self) -> dict[str, Any]:
        """What a command needs to find the place again, whatever is typed around it until then."""
        return {"uri": self.uri, "qualname": self.target.qualname}


@frozen
class Search(Generic[T]):
    """A search in a document's text as it was when the search was made.

    Attributes:
        version: of the document then; None if it is not open.
        work: may run in any thread; raises TargetNotFoundError.
    """

    uri: str
    version: int | None
    work: Callable[[], T]


def search_at(documents: Documents, uri: str, position: types.Position) -> Search[Place]:
    """For the target around a position in the client's own encoding.

    Raises:
        TargetNotFoundError: the document is none in which anything can be found.
        OSError: it is not open, and its file cannot be read.
    """
    path, language = _file(uri)
    document = documents.get_text_document(uri)
    text, offset, root = document.source, document.offset_at_position(position), documents.root_of(path)
    return Search(uri, document.version, lambda: Place(uri, root, language.target_at(path, text, offset)))


def search_named(documents: Documents, uri: str, qualname: str) -> Search[Place]:
    """For the target of that name; the file's stubs if it is empty.

    Raises:
        TargetNotFoundError, OSError: as for `search_at`.
    """
    path, language = _file(uri)
    document = documents.get_text_document(uri)
    text, root = document.source, documents.root_of(path)
    return Search(uri, document.version, lambda: Place(uri, root, language.target_named(path, text, qualname)))


def search_stubs(documents: Documents, uri: str) -> Search[tuple[Function, ...]]:
    """For all stubs of a document.

    Raises:
        TargetNotFoundError, OSError: as for `search_at`.
    """
    _, language = _file(uri)
    document = documents.get_text_document(uri)
    text = document.source
    return Search(uri, document.version, lambda: tuple(f for f in language.functions(text) if f.is_stub))


def at_position(documents: Documents, uri: str, position: types.Position) -> Place:
    """The target around a position, found at once.

    Raises:
        TargetNotFoundError: with the reason.
    """
    return search_at(documents, uri, position).work()


def _file(uri: str) -> tuple[Path, Language]:
    path = path_of(uri)
    language = language_for(path)
    if language is None:
        raise UnknownLanguageError(f"Greenfinch does not know the language of {path.name}.")
    return path, language


def from_arguments(documents: Documents, arguments: tuple[Any, ...]) -> Search[Place]:
    """For the place that a command's one argument means: `{uri, qualname}`, or `{uri, position, version?}`.

    Raises:
        TargetNotFoundError: the argument is of another form, or the document none in which anything can be found.
        StaleTargetError: the position was taken in another version of the document.
    """
    given = arguments[0] if arguments else None
    if not isinstance(given, Mapping) or not isinstance(given.get("uri"), str):
        raise TargetNotFoundError("The command needs to know what to implement.", remedy="Pass {uri, position}.")
    uri, qualname, version = given["uri"], given.get("qualname"), given.get("version")
    try:
        if isinstance(qualname, str):
            return search_named(documents, uri, qualname)
        position = types.Position(int(given["position"]["line"]), int(given["position"]["character"]))
        search = search_at(documents, uri, position)
    except (KeyError, TypeError, ValueError) as error:
        raise TargetNotFoundError("The command's argument names no place.", remedy="Pass {uri, position}.") from error
    except OSError as error:
        raise TargetNotFoundError(f"{uri} cannot be read: {error.strerror}.") from error
    if version is not None and search.version is not None and version != search.version:
        raise StaleTargetError("The document has changed since this command was chosen.", remedy="Choose it again.")
    return search
