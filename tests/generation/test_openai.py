"""The client of OpenAI-compatible servers, against a real server on the loopback interface."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import anyio
import pytest
from chat_server import ChatServer, chunk, eventually

from engine.config import Settings
from engine.errors import ConfigError, GenerationError
from engine.generation.base import Message, Piece, SampleRequest, Usage
from engine.generation.factory import make_generator
from engine.generation.openai import OpenAIGenerator

pytestmark = pytest.mark.anyio

ASKED = (Message("user", "Implement it."),)


async def sampled(server: ChatServer, **parameters: Any) -> list[Piece]:
    generator = OpenAIGenerator.remote(Settings(endpoint=server.url))
    async with aclosing(generator), aclosing(generator.sample(SampleRequest(ASKED, **parameters))) as pieces:
        return [piece async for piece in pieces]


def text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


async def test_pieces_come_with_their_tokens_and_the_last_with_the_usage(server: ChatServer) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
    server.stream = [chunk("a "), chunk("b"), chunk(None, "length"), chunk(usage=usage) + b"data: [DONE]\n\n"]
    pieces = await sampled(server)
    assert text(pieces) == "a b"
    assert pieces[-1].finish == "length"
    assert pieces[-1].usage == Usage(prompt_tokens=9, cached_tokens=4, completion_tokens=3)
    assert sum(piece.tokens for piece in pieces) == 3


async def test_events_are_put_together_wherever_the_network_cuts_them(server: ChatServer) -> None:
    whole = chunk("ünï\u2028code 🪺") + b": still here\n\n" + chunk(None, "stop") + b"data: [DONE]\n\n"
    server.stream = [whole[i : i + 3] for i in range(0, len(whole), 3)]
    assert text(await sampled(server)) == "ünï\u2028code 🪺"


async def test_the_request_says_what_was_asked_for(server: ChatServer) -> None:
    await sampled(server, prefill="def f():\n", temperature=0.5, seed=3, max_tokens=7, stop=("```",))
    sent = server.requests[0]
    assert sent["model"] == "first"
    assert sent["messages"] == [
        {"role": "user", "content": "Implement it."},
        {"role": "assistant", "content": "def f():\n"},
    ]
    assert (sent["temperature"], sent["seed"], sent["max_tokens"], sent["stop"]) == (0.5, 3, 7, ["```"])


async def test_a_repeated_prefill_is_dropped(server: ChatServer) -> None:
    server.stream = [chunk("\ndef f"), chunk("():\n    ret"), chunk("urn 1\n"), chunk(None, "stop")]
    assert text(await sampled(server, prefill="def f():\n")) == "    return 1\n"


async def test_a_continuation_that_only_begins_like_the_prefill_is_kept(server: ChatServer) -> None:
    server.stream = [chunk("def"), chunk(" g(): ..."), chunk(None, "stop")]
    assert text(await sampled(server, prefill="def f():\n")) == "def g(): ..."


async def test_a_server_that_refuses_unknown_fields_is_asked_again_without_them(server: ChatServer) -> None:
    server.refusals = [(400, {"error": {"message": "unknown field: continue_final_message"}})]
    assert text(await sampled(server, prefill="x")) == "hi"
    assert "continue_final_message" in server.requests[0]
    assert "continue_final_message" not in server.requests[1]


async def test_a_refusal_is_passed_on_with_its_reason(server: ChatServer) -> None:
    server.refusals = [(404, {"error": {"message": "no such model"}})]
    with pytest.raises(GenerationError, match="no such model"):
        await sampled(server)


async def test_a_wrong_key_is_said_to_be_one(server: ChatServer) -> None:
    server.refusals = [(401, {"error": {"message": "bad key"}})]
    with pytest.raises(GenerationError) as caught:
        await sampled(server)
    assert "endpoint_key_env" in caught.value.remedy


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        ([chunk("half")], "ended the stream"),
        ([b"data: <html>\n\n"], "not JSON"),
        ([b'data: {"error": {"message": "out of memory"}}\n\n'], "out of memory"),
    ],
)
async def test_a_broken_answer_is_an_error(server: ChatServer, stream: list[bytes], reason: str) -> None:
    server.stream = stream
    with pytest.raises(GenerationError, match=reason):
        await sampled(server)


async def test_nobody_there_is_an_error_with_a_remedy() -> None:
    generator = OpenAIGenerator.remote(Settings(endpoint="http://127.0.0.1:9/v1"))
    async with aclosing(generator):
        with pytest.raises(GenerationError) as caught:
            await generator.prepare()
    assert "127.0.0.1:9" in caught.value.what
    assert caught.value.remedy


async def test_closing_the_iterator_closes_the_stream(server: ChatServer) -> None:
    server.endless = True
    generator = OpenAIGenerator.remote(Settings(endpoint=server.url))
    async with aclosing(generator):
        async with aclosing(generator.sample(SampleRequest(ASKED))) as pieces:
            await anext(pieces)
        await eventually(lambda: server.left == 1, seconds=2)


async def test_cancelling_the_task_closes_the_stream(server: ChatServer) -> None:
    server.endless = True
    generator = OpenAIGenerator.remote(Settings(endpoint=server.url))
    async with aclosing(generator):
        with anyio.move_on_after(0.2):
            async for _piece in generator.sample(SampleRequest(ASKED)):
                pass
        await eventually(lambda: server.left == 1, seconds=2)


async def test_prepare_says_which_model_and_where(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "s3cret")
    settings = Settings(endpoint=server.url, endpoint_key_env="SOME_KEY", model="second")
    generator = make_generator(settings)
    info = await generator.prepare()
    await generator.aclose()
    assert info.model == "second"
    assert info.where in server.url
    assert server.keys == ["Bearer s3cret"]


async def test_a_model_that_the_server_lacks_is_named_with_those_it_has(server: ChatServer) -> None:
    generator = OpenAIGenerator.remote(Settings(endpoint=server.url, model="third"))
    async with aclosing(generator):
        with pytest.raises(GenerationError) as caught:
            await generator.prepare()
    assert "third" in caught.value.what
    assert "first, second" in caught.value.remedy


@pytest.mark.parametrize(
    "settings", [Settings(endpoint="gpu-box"), Settings(endpoint="http://gpu-box/v1", endpoint_key_env="NOT_SET_HERE")]
)
async def test_settings_that_cannot_work_are_refused_at_once(settings: Settings) -> None:
    with pytest.raises(ConfigError):
        make_generator(settings)
