"""Asks an implementation in a confined process what a recorded request asked; nothing that comes back is decoded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from engine.verification.agent.plain import Gone, NotPlain, Pipe

Message = dict[str, Any]

PATIENCE = 20.0
"""Seconds for loading the module."""
_EACH = 1.0
_NO_CALLS_BACK = {"not plain": "a call back, where nobody is"}


def answers_of(descriptor: int, loading: Message, inputs: Sequence[Message], seconds: float) -> list[Message | None]:
    """The answers to the first of `inputs`, over a socket that becomes this call's own.

    The last is None where the other side hung or died over it; it is not asked any more then, nor when the time is up.
    None at all if the module does not load.  Blocks for `seconds` at most, once it is loaded.
    """
    pipe = Pipe(descriptor)
    found: list[Message | None] = []
    try:
        if _ask(pipe, loading, PATIENCE).get("value") is not True:
            return []
        until = time.monotonic() + seconds
        for message in inputs:
            if time.monotonic() > until:
                break
            try:
                found.append(_ask(pipe, message, _EACH))
            except (Gone, NotPlain):
                return [*found, None]
    except (Gone, NotPlain):
        return []  # while it was loaded
    finally:
        pipe.close()
    return found


def _ask(pipe: Pipe, message: Message, seconds: float) -> Message:
    pipe.send(message)
    while True:
        received = pipe.receive(seconds)
        if "ask" not in received:
            return received
        pipe.send(_NO_CALLS_BACK)
