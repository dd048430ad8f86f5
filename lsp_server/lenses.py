"""Code lenses: above each stub, how many tests mention it.  Off unless the user wants them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from lsprotocol import types

from engine.errors import TargetNotFoundError
from engine.languages import language_for
from lsp_server import places
from lsp_server.documents import position_at
from lsp_server.places import Place

if TYPE_CHECKING:
    from lsp_server.server import GreenfinchServer


class Lenses:
    """Answers `textDocument/codeLens` and `codeLens/resolve`."""

    def __init__(self, server: GreenfinchServer) -> None:
        self._server = server

    async def listing(self, uri: str) -> list[types.CodeLens] | None:
        """A lens for each stub of a document, not yet resolved; None where nothing can be said."""
        if not self._server.settings.current.code_lens:
            return []
        try:
            search = places.search_stubs(self._server.documents, uri)
            text = self._server.documents.get_text_document(uri).source
            stubs = await self._server.targets.current(search)
        except (TargetNotFoundError, OSError):
            return []
        if stubs is None:
            return None
        encoding = self._server.documents.position_encoding
        lenses = []
        for stub in stubs:
            start = position_at(text, stub.start, encoding)
            lenses.append(types.CodeLens(types.Range(start, start), data={"uri": uri, "qualname": stub.qualname}))
        return lenses

    async def resolved(self, lens: types.CodeLens) -> types.CodeLens:
        """The lens with its title and command."""
        argument = _data(lens.data)
        title = "not there any more"
        try:
            place = await self._server.targets.certain(places.from_arguments(self._server.documents, (argument,)))
            buffers = self._server.documents.buffers()
            title = await anyio.to_thread.run_sync(count, place, buffers)
        except TargetNotFoundError:
            pass
        lens.command = types.Command(title, "greenfinch.implement", arguments=[argument])
        return lens


def count(place: Place, buffers: Any) -> str:
    """How many tests mention a target, in words.  Reads files; runs nothing."""
    from engine.verification.nominate import nomination  # loaded on first use

    found = nomination(place.root, buffers, place.target.path, place.target.names)
    if not found.files:
        return "no test mentions it"
    names = "|".join(re.escape(name.rpartition(".")[2]) for name in place.target.names)
    mention = re.compile(rf"\b(?:{names})\b")
    tests = 0
    for file in found.files:
        language = language_for(file)
        try:
            text = buffers[file] if file in buffers else file.read_text("utf-8", "replace")
        except OSError:
            continue  # it has been removed since, or is not for us
        functions = language.functions(text) if language is not None else ()
        tests += sum(f.name.startswith("test") and bool(mention.search(text, f.start, f.end)) for f in functions)
    if tests:
        return f"{tests} test{' mentions' if tests == 1 else 's mention'} it"
    return f"tests in {len(found.files)} file{'' if len(found.files) == 1 else 's'} may reach it"


def _data(data: Any) -> dict[str, Any]:
    """pygls hands plain data over as nested named tuples."""
    return dict(data._asdict()) if hasattr(data, "_asdict") else dict(data or {})
