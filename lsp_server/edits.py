"""Verified edits, in the client's own coordinates, for the document as it is."""

from __future__ import annotations

from lsprotocol import types

from engine.events import Outcome
from engine.languages.base import TextEdit
from lsp_server.client import Applied, Client
from lsp_server.documents import Document, Encoding, position_at

_ANNOTATION = "greenfinch"


def protocol_edits(text: str, edits: tuple[TextEdit, ...], encoding: Encoding) -> list[types.TextEdit]:
    """The engine's edits of `text`, with positions in `encoding`."""
    return [
        types.TextEdit(
            types.Range(position_at(text, edit.start, encoding), position_at(text, edit.end, encoding)), edit.new_text
        )
        for edit in edits
    ]


def workspace_edit(
    document: Document, edits: list[types.TextEdit], label: str, client: Client, *, confirm: bool = False
) -> types.WorkspaceEdit:
    """One document's edits in the best form that the client takes: annotated, versioned, or plain.

    `confirm`: a client that takes annotations is to ask its user first.
    """
    if not client.takes_document_changes:
        return types.WorkspaceEdit(changes={document.uri: edits})
    identifier = types.OptionalVersionedTextDocumentIdentifier(document.uri, document.version)
    if not client.takes_annotations:
        return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(identifier, list(edits))])
    annotated = [types.AnnotatedTextEdit(_ANNOTATION, edit.range, edit.new_text) for edit in edits]
    annotation = types.ChangeAnnotation("Greenfinch", needs_confirmation=confirm, description=label)
    return types.WorkspaceEdit(
        document_changes=[types.TextDocumentEdit(identifier, list(annotated))],
        change_annotations={_ANNOTATION: annotation},
    )


async def apply(client: Client, document: Document, outcome: Outcome, *, confirm: bool = False) -> Applied:
    """Put a winner into its document, if that and what its tests read are still what the winner passed on.

    Its user may have thought about it for long, or have typed while the run came to its end.
    """
    if not _same_text(document.source, outcome.base):
        return Applied(False, "the document has changed since the tests passed")
    if not outcome.still_so():
        return Applied(False, "what the tests read has changed since they passed")
    edits = protocol_edits(outcome.base, outcome.edits, document.position_codec.encoding)
    edit = workspace_edit(document, edits, outcome.proof, client, confirm=confirm)
    params = types.ApplyWorkspaceEditParams(edit, label=None if client.prints_labels else outcome.proof)
    return await client.apply(params, asks=confirm and client.takes_annotations)


async def apply_answer(client: Client, document: Document, edit: TextEdit, label: str) -> Applied:
    """Put a test into its file, in one edit; nothing of it needs a proof, since it asks for one."""
    changes = protocol_edits(document.source, (edit,), document.position_codec.encoding)
    return await client.apply(
        types.ApplyWorkspaceEditParams(workspace_edit(document, changes, label, client), label=label)
    )


def _same_text(one: str, other: str) -> bool:
    """Equal but for the form of line ends, which positions in lines and columns do not depend on."""
    return one == other or one.replace("\r\n", "\n") == other.replace("\r\n", "\n")
