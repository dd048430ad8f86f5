"""What a cursor or a command's arguments point at."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen
from lsprotocol import types

from engine.errors import StaleTargetError, TargetNotFoundError
from engine.languages import language_for
from engine.languages.base import Language, Target
from lsp_server.documents import Documents, path_of


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
    def argument(self) -> dict[str, Any]:
        """What a command needs to find the place again, whatever is typed around it until then."""
        return {"uri": self.uri, "qualname": self.target.qualname}


def at_position(documents: Documents, uri: str, position: types.Position) -> Place:
    """The target around a position in the client's own encoding.

    Raises:
        TargetNotFoundError: with the reason.
    """
    path, language = _file(uri)
    document = documents.get_text_document(uri)
    offset = document.offset_at_position(position)
    return Place(uri, documents.root_of(path), language.target_at(path, document.source, offset))


def named(documents: Documents, uri: str, qualname: str) -> Place:
    """The target of that name; the file's stubs if it is empty.

    Raises:
        TargetNotFoundError: naming the nearest names there are.
    """
    path, language = _file(uri)
    document = documents.get_text_document(uri)
    return Place(uri, documents.root_of(path), language.target_named(path, document.source, qualname))


def _file(uri: str) -> tuple[Path, Language]:
    path = path_of(uri)
    language = language_for(path)
    if language is None:
        raise UnknownLanguageError(f"Greenfinch does not know the language of {path.name}.")
    return path, language


def from_arguments(documents: Documents, arguments: tuple[Any, ...]) -> Place:
    """The place that a command's one argument means: `{uri, qualname}`, or `{uri, position, version?}`.

    Raises:
        TargetNotFoundError: there is no target, or the argument is of another form.
        StaleTargetError: the position was taken in another version of the document.
    """
    given = arguments[0] if arguments else None
    if not isinstance(given, Mapping) or not isinstance(given.get("uri"), str):
        raise TargetNotFoundError("The command needs to know what to implement.", remedy="Pass {uri, position}.")
    uri, qualname, version = given["uri"], given.get("qualname"), given.get("version")
    try:
        if isinstance(qualname, str):
            return named(documents, uri, qualname)
        position = types.Position(int(given["position"]["line"]), int(given["position"]["character"]))
    except (KeyError, TypeError, ValueError) as error:
        raise TargetNotFoundError("The command's argument names no place.", remedy="Pass {uri, position}.") from error
    except OSError as error:
        raise TargetNotFoundError(f"{uri} cannot be read: {error.strerror}.") from error
    current = documents.get_text_document(uri).version
    if version is not None and current is not None and version != current:
        raise StaleTargetError("The document has changed since this command was chosen.", remedy="Choose it again.")
    return at_position(documents, uri, position)
