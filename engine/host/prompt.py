"""From chat messages to tokens, with the template's control tokens and nobody else's.

A source file may contain `<|im_end|>`; read as a control token it would end the user's turn and let the file speak as
the system.  So only the template's own text is searched for control tokens: messages are rendered as placeholders
first, and their contents are put in as plain text afterwards.  Everything between two control tokens is tokenized in
one go, as it would be in training.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from engine.host.backend import Backend


def encode_chat(backend: Backend, messages: Sequence[tuple[str, str]]) -> list[int]:
    """Tokens of a conversation up to where the assistant's reply is to go on.

    Args:
        messages: (role, content) pairs.  A trailing assistant message is the beginning of the reply.
    """
    prefill = ""
    if messages and messages[-1][0] == "assistant":
        prefill = messages[-1][1]
        messages = messages[:-1]
    mark = f"[{secrets.token_hex(8)}:"
    rendered = backend.apply_template([(role, f"{mark}{i}]") for i, (role, _content) in enumerate(messages)])
    placeholder = re.compile(re.escape(mark) + r"(\d+)\]")
    specials = backend.special_tokens
    control = re.compile("|".join(re.escape(s) for s in sorted(specials, key=len, reverse=True) if s) or r"(?!)")

    tokens: list[int] = []
    plain: list[str] = []

    def flush() -> None:
        if text := "".join(plain):
            tokens.extend(backend.tokenize(text))
        plain.clear()

    # re.split with one group: template text at even indices, the message's number at odd ones.
    for index, part in enumerate(placeholder.split(rendered)):
        if index % 2:
            plain.append(messages[int(part)][1])
            continue
        position = 0
        for match in control.finditer(part):
            plain.append(part[position : match.start()])
            flush()
            tokens.append(specials[match.group()])
            position = match.end()
        plain.append(part[position:])
    plain.append(prefill)
    flush()
    if backend.bos is not None and tokens[:1] != [backend.bos]:
        tokens.insert(0, backend.bos)
    return tokens
