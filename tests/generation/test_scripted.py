"""The scripted generator: what other tests rely on."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.bench.whole import WholeReplies
from engine.config import Settings
from engine.errors import ConfigError, GenerationError
from engine.generation.base import Message, SampleRequest
from engine.generation.factory import make_generator
from engine.generation.scripted import ScriptedGenerator

pytestmark = pytest.mark.anyio


@pytest.fixture
def script(tmp_path: Path) -> Any:
    def write(*replies: dict[str, Any]) -> ScriptedGenerator:
        path = tmp_path / "script.json"
        path.write_text(json.dumps({"replies": replies}), "utf-8")
        return ScriptedGenerator.load(path)

    return write


async def said(generator: ScriptedGenerator, question: str = "", **parameters: Any) -> str:
    request = SampleRequest((Message("user", question),), **parameters)
    return "".join([piece.text async for piece in generator.sample(request)])


async def test_replies_come_in_order_and_the_last_serves_again(script: Any) -> None:
    generator = script({"text": "one\n"}, {"text": "  two words "})
    assert [await said(generator) for _ in range(3)] == ["one\n", "  two words ", "  two words "]


async def test_a_reply_with_a_match_serves_only_where_it_occurs(script: Any) -> None:
    generator = script({"match": "def add", "text": "A"}, {"match": "please", "text": "B"})
    assert await said(generator, "please") == "B"
    assert await said(generator, prefill="def add():") == "A"
    with pytest.raises(GenerationError):
        await said(generator, "anything else")


async def test_a_reply_may_fail_on_command(script: Any) -> None:
    with pytest.raises(GenerationError, match="the model is tired"):
        await said(script({"error": "the model is tired"}))


async def test_a_repeating_reply_never_ends_by_itself(script: Any) -> None:
    generator = script({"text": "again ", "repeat": True, "delay_per_token": 0.001})
    count = 0
    with anyio.move_on_after(0.2):
        async with aclosing(generator.sample(SampleRequest((), max_tokens=10**9))) as pieces:
            async for _piece in pieces:
                count += 1
    assert count > 10


async def test_limits_and_stop_strings_hold(script: Any) -> None:
    generator = script({"text": "a b c ``` d"})
    pieces = [piece async for piece in generator.sample(SampleRequest((), max_tokens=2))]
    assert pieces[-1].finish == "length"
    assert sum(piece.tokens for piece in pieces) == 2
    assert await said(generator, stop=("```",)) == "a b c"


async def test_the_environment_puts_a_script_in_the_models_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "script.json"
    path.write_text('{"replies": [{"text": "hi"}]}', "utf-8")
    monkeypatch.setenv("GREENFINCH_SCRIPT", str(path))
    assert isinstance(make_generator(Settings()), ScriptedGenerator)
    path.write_text('{"replies": [{"txt": "hi"}]}', "utf-8")
    with pytest.raises(ConfigError, match="txt"):
        make_generator(Settings())


async def test_what_a_reply_holds_behind_its_function_is_counted(script: Any) -> None:
    generator = WholeReplies(script({"text": "return 1\nAnd this is how it works.\n"}))
    request = SampleRequest((Message("user", ""),))
    async with aclosing(generator.sample(request)) as pieces:
        async for piece in pieces:
            if "\n" in piece.text:
                break
    assert 0 < generator.read < generator.whole
    assert [piece.finish async for piece in generator.sample(request)][-1] == "stop"
