"""What an edit does to a document, byte for byte, against an oracle that counts for itself."""

from __future__ import annotations

import os
import random

import pytest
from faults.documents import Maker
from faults.oracle import applied, position
from lsprotocol import types

from engine.languages import language_for
from engine.languages.base import Solution
from lsp_server import edits, places
from lsp_server.documents import Documents

CASES = int(os.environ.get("GREENFINCH_EDIT_CASES", "10000"))
QUICK = 300
ENCODINGS = ("utf-8", "utf-16", "utf-32")


def check(seed: int, folder: str) -> None:
    """One case: opened, typed into, found by a cursor, edited."""
    chance = random.Random(seed)
    case = Maker(seed).case()
    encoding = chance.choice(ENCODINGS)
    documents = Documents(folder, types.TextDocumentSyncKind.Incremental, [], types.PositionEncodingKind(encoding))
    uri = f"{folder}/mod.py"
    opened = typed_backwards(chance, case.text)
    documents.put_text_document(types.TextDocumentItem(uri, "python", 1, opened[0]))
    for version, (start, end, new) in enumerate(opened[1], start=2):
        before = documents.get_text_document(uri).source
        span = types.Range(position(before, start, encoding), position(before, end, encoding))
        change = types.TextDocumentContentChangePartial(range=span, text=new)
        documents.update_text_document(types.VersionedTextDocumentIdentifier(version, uri), change)
    document = documents.get_text_document(uri)
    assert document.source == case.text, "what was typed"
    place = places.at_position(documents, uri, position(case.text, case.cursor, encoding))
    assert place.target.qualname == case.qualname
    language = language_for(place.target.path)
    assert language is not None
    changes = language.splice(
        case.text, place.target, Solution({place.target.functions[0].qualname: case.body}, case.imports)
    )
    sent = edits.protocol_edits(case.text, changes, document.position_codec.encoding)
    assert applied(case.text, sent, encoding) == case.expected


def typed_backwards(chance: random.Random, text: str) -> tuple[str, list[tuple[int, int, str]]]:
    """A text to begin with, and changes that make `text` of it."""
    changes: list[tuple[int, int, str]] = []
    for _ in range(chance.randrange(4)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.randrange(12))
        if any(text[at - 1 : at + 1] == "\r\n" for at in (start, end)):  # no editor puts a cursor there
            continue
        new = chance.choice(("", "x", "🎈", "名\n前", "\r\n", "e\u0301", "\x0c"))
        before = text[:start] + new + text[end:]
        around = before[max(0, start - 1) : start + len(new) + 1]
        if "\r\n" in (around[:2], around[-2:]) and new not in ("\r\n",):
            continue
        changes.append((start, start + len(new), text[start:end]))
        text = before
    return text, changes[::-1]


def run(seeds: range, folder: str) -> None:
    for seed in seeds:
        try:
            check(seed, folder)
        except BaseException as error:
            error.add_note(f"seed {seed}: {Maker(seed).case()}")
            raise


def test_some_random_documents(tmp_path):
    run(range(QUICK), tmp_path.as_uri())


@pytest.mark.slow
def test_ten_thousand_random_documents(tmp_path):
    run(range(QUICK, CASES), tmp_path.as_uri())
