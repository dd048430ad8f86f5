"""Text is passed on as early as it is certain, and no earlier."""

import pytest

from engine.host.text import TextStream


def fed(stream: TextStream, *blocks: bytes) -> list[str]:
    return [stream.feed(block) for block in blocks]


def test_a_character_is_held_back_until_its_last_byte_is_there() -> None:
    nest = "🪺".encode()
    assert fed(TextStream(), b"a" + nest[:1], nest[1:3], nest[3:] + b"b") == ["a", "", "🪺b"]


def test_a_character_that_never_ends_is_marked_as_broken() -> None:
    stream = TextStream()
    assert stream.feed("🪺".encode()[:2]) == ""
    assert stream.finish() == "\ufffd"


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_stop_string_is_found_wherever_the_tokens_cut_it(cut: int) -> None:
    stream = TextStream(("```",))
    text = b"x = 1\n```\nmore"
    assert "".join(fed(stream, text[:cut], text[cut:])) == "x = 1\n"
    assert stream.stopped
    assert stream.feed(b"and more") == stream.finish() == ""


def test_what_only_looked_like_a_stop_string_is_passed_on() -> None:
    stream = TextStream(("```",))
    assert fed(stream, b"a``", b"b`") == ["a", "``b"]
    assert stream.finish() == "`"
    assert not stream.stopped


def test_the_earliest_of_several_stop_strings_counts() -> None:
    assert TextStream(("late", "early")).feed(b"an early and a late one") == "an "
