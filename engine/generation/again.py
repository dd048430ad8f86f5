"""A sample that survives the loss of its server: it is sampled again with the same seed, and nobody need know.

What was already passed on stays said.  The second try's text is compared with it, and passed on from where it ends: as
a rule the seed gives the same text.  Where it does not (another machine, another company in the batch), the sample goes
on from what was said, as a reply begun with it; how likely the whole is to its model is not known then.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from attrs import evolve

from engine.generation.base import LostError, Piece, SampleRequest

Attempt = Callable[[SampleRequest], AsyncGenerator[Piece, None]]
Mend = Callable[[LostError], Awaitable[str]]


async def persistently(request: SampleRequest, attempt: Attempt, mend: Mend) -> AsyncGenerator[Piece, None]:
    """Stream one sample, through as many attempts as it takes.

    Args:
        mend: called when an attempt was lost; returns when the next one may begin, with what the user should know of
            that (a piece's `note`), or raises to give up.
    """
    said, tokens, whole = "", 0, True
    while True:
        behind, sampled, differs = said, 0, False
        try:
            async with aclosing(attempt(request)) as pieces:
                async for piece in pieces:
                    common = min(len(behind), len(piece.text))
                    ends_early = piece.finish is not None and common < len(behind)
                    if differs := ends_early or piece.text[:common] != behind[:common]:
                        break
                    behind, new = behind[common:], piece.text[common:]
                    sampled += piece.tokens
                    if not behind:
                        said, tokens = said + new, sampled
                    usage = piece.usage if whole or piece.usage is None else evolve(piece.usage, logprob=None)
                    yield evolve(piece, text=new, usage=usage)
                    if piece.finish is not None:
                        return
        except LostError as error:
            if note := await mend(error):
                yield Piece(note=note)
        if differs:
            left = max(1, request.max_tokens - tokens)
            request, said, tokens = evolve(request, prefill=request.prefill + said, max_tokens=left), "", 0
            whole = False
