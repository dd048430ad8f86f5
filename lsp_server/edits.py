"""Verified edits, in the client's own coordinates, for the document as it is.

An editor's word that it has applied an edit is not enough: Neovim's own client gives it for edits that it drops, and
for those that it applies to lines which have moved.  So the text that it sends afterwards has to be the one meant.
"""

from __future__ import annotations

import anyio
from lsprotocol import types

from engine.events import Outcome
from engine.languages.base import TextEdit, apply_edits
from lsp_server.client import Applied, Client
from lsp_server.documents import Document, Documents, Encoding, position_at

ANNOTATION = "greenfinch"
_SYNC_SECONDS = 2.0  # clients gather changes for a while before they send them: Neovim 0.15 s, Eglot 0.5 s
_ELSEWHERE = "the editor says it is, but its text is not the one that was meant; undo what looks wrong"


def protocol_edits(text: str, edits: tuple[TextEdit, ...], encoding: Encoding) -> list[types.TextEdit]:
    """The engine's edits of `text`, with positions in `encoding`."""
    return [
        types.TextEdit(
            types.Range(position_at(text, edit.start, encoding), position_at(text, edit.end, encoding)), edit.new_text
        )
        for edit in edits
    ]


def workspace_edit(
    document: Document, edits: list[types.TextEdit], label: str, client: Client, *, preview: str = ""
) -> types.WorkspaceEdit:
    """One document's edits in the best form that the client takes: annotated, versioned, or plain.

    `preview`: the annotation's identifier, for a client that shows the edit to its user first.
    """
    if not client.takes_document_changes:
        return types.WorkspaceEdit(changes={document.uri: edits})
    identifier = types.OptionalVersionedTextDocumentIdentifier(document.uri, document.version)
    if not client.takes_annotations:
        return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(identifier, list(edits))])
    name = preview or ANNOTATION
    annotated = [types.AnnotatedTextEdit(name, edit.range, edit.new_text) for edit in edits]
    annotation = types.ChangeAnnotation("Greenfinch", needs_confirmation=bool(preview), description=label)
    return types.WorkspaceEdit(
        document_changes=[types.TextDocumentEdit(identifier, list(annotated))],
        change_annotations={name: annotation},
    )


def objection(document: Document, outcome: Outcome) -> str:
    """Why a winner cannot go into its document: that, or what its tests read, is not what it passed on; else empty.

    Its user may have thought about it for long, or have typed while the run came to its end.
    """
    if reason := _moved_on(document, outcome.base):
        return f"{reason} since the tests passed"
    return "" if outcome.still_so() else "what the tests read has changed since they passed"


async def apply(client: Client, documents: Documents, uri: str, outcome: Outcome, *, preview: str = "") -> Applied:
    """Put a winner into its document, if nothing objects to that; `preview` as for `workspace_edit`."""
    document = documents.get_text_document(uri)
    if reason := objection(document, outcome):
        return Applied(False, reason)
    changes = protocol_edits(outcome.base, outcome.edits, document.position_codec.encoding)
    edit = workspace_edit(document, changes, outcome.proof, client, preview=preview)
    params = types.ApplyWorkspaceEditParams(edit, label=None if client.prints_labels else outcome.proof)
    meant = apply_edits(outcome.base, outcome.edits)
    return await _arrived(client, documents, uri, params, meant, asks=bool(preview))


async def apply_answer(
    client: Client, documents: Documents, uri: str, text: str, edit: TextEdit, label: str
) -> Applied:
    """Put a test into its file, whose text it was made for, in one edit.  It needs no proof, since it asks for one."""
    document = documents.get_text_document(uri)
    if reason := _moved_on(document, text):
        return Applied(False, reason)
    changes = protocol_edits(text, (edit,), document.position_codec.encoding)
    params = types.ApplyWorkspaceEditParams(workspace_edit(document, changes, label, client), label=label)
    return await _arrived(client, documents, uri, params, apply_edits(text, (edit,)))


async def _arrived(
    client: Client,
    documents: Documents,
    uri: str,
    params: types.ApplyWorkspaceEditParams,
    meant: str,
    *,
    asks: bool = False,
) -> Applied:
    """Ask for an edit; applied to an open document it is once the editor has sent the text that was meant."""
    there = anyio.Event()

    def see(text: str) -> None:
        if _lines(text) == _lines(meant) or _lines(text) == _lines(f"{meant}\n"):  # some editors end the last line
            there.set()

    with documents.watched(uri, see):
        was_open = documents.is_open(uri)
        applied = await client.apply(params, asks=asks)
        if not applied.ok or not was_open:
            return applied
        with anyio.move_on_after(_SYNC_SECONDS):
            await there.wait()
    if there.is_set() or not documents.is_open(uri):  # what is closed is not sent any more
        return applied
    return Applied(False, _ELSEWHERE)


def _moved_on(document: Document, text: str) -> str:
    """That a document is not `text` any more, or empty."""
    try:
        now = document.source
    except OSError:
        return "the document has been removed"
    return "" if _lines(now) == _lines(text) else "the document has changed"


def _lines(text: str) -> str:
    """Without the form of line ends, which positions in lines and columns do not depend on."""
    return text.replace("\r\n", "\n")
