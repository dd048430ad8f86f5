"""A sample that loses its server is sampled again, and nothing that was said is said twice or taken back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from engine.generation.again import persistently
from engine.generation.base import LostError, Message, Piece, SampleRequest, Usage

pytestmark = pytest.mark.anyio

ASKED = SampleRequest((Message("user", "Count."),), prefill="0", max_tokens=10)


class Attempts:
    """Plays one list of texts an attempt, a token each; an attempt without `.` at its end is lost there."""

    def __init__(self, *scripts: list[str]) -> None:
        self.scripts = list(scripts)
        self.requests: list[SampleRequest] = []
        self.mended = 0

    async def __call__(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        self.requests.append(request)
        script = self.scripts.pop(0)
        for text in script:
            yield Piece(text, 1, "stop" if text.endswith(".") else None, Usage(logprob=-1.0))
        if not script or not script[-1].endswith("."):
            raise LostError("gone")

    async def mend(self, error: LostError) -> str:
        self.mended += 1
        if self.mended == 3:
            raise error
        return f"loss {self.mended}"


async def heard(attempts: Attempts) -> list[Piece]:
    async with aclosing(persistently(ASKED, attempts, attempts.mend)) as pieces:
        return [piece async for piece in pieces]


def text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


async def test_the_second_try_goes_on_where_the_first_one_broke_off() -> None:
    attempts = Attempts(["1", "2"], ["1", "2", "3", "."])
    pieces = await heard(attempts)
    assert text(pieces) == "123."
    assert attempts.requests == [ASKED, ASKED]
    assert sum(piece.tokens for piece in pieces) == 6, "both tries were sampled"
    assert [piece.note for piece in pieces if piece.note] == ["loss 1"]


async def test_texts_that_are_cut_elsewhere_are_the_same_text() -> None:
    assert text(await heard(Attempts(["1", "2"], ["123", "4."]))) == "1234."


async def test_a_try_that_says_something_else_is_left_for_one_that_goes_on_from_what_was_said() -> None:
    attempts = Attempts(["1", "2", "3"], ["1", "x", "y", "."], ["4", "."])
    assert text(await heard(attempts)) == "1234."
    assert attempts.requests[2].prefill == "0123"
    assert attempts.requests[2].max_tokens == 7
    assert attempts.mended == 1, "nothing was broken the second time"


async def test_a_try_that_ends_earlier_is_one_that_says_something_else() -> None:
    attempts = Attempts(["1", "2"], ["1", "."], ["3", "."])
    assert text(await heard(attempts)) == "123."


async def test_what_was_said_by_a_shorter_try_counts_too() -> None:
    assert text(await heard(Attempts(["1", "2", "3"], ["1"], ["1", "2", "3", "4."]))) == "1234."


async def test_a_probability_is_told_of_the_whole_sample_or_not_at_all() -> None:
    again = await heard(Attempts(["1", "2"], ["1", "2", "3", "."]))
    assert {piece.usage.logprob for piece in again if piece.usage} == {-1.0}
    apart = await heard(Attempts(["1", "2"], ["1", "x", "."], ["3", "4"], ["3", "4", "."]))
    assert [piece.usage.logprob for piece in apart if piece.usage][-3:] == [None] * 3
    assert apart[-1].finish == "stop"


async def test_whoever_mends_may_give_up() -> None:
    attempts = Attempts(["1"], ["1"], ["1"])
    with pytest.raises(LostError):
        await heard(attempts)
    assert not attempts.scripts
