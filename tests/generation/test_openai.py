"""The client of OpenAI-compatible servers, against a real server on the loopback interface."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

import anyio
import pytest
from chat_server import ChatServer, chunk, eventually

from engine.config import Settings
from engine.errors import ConfigError, GenerationError
from engine.generation.base import Message, Piece, RefusedError, SampleRequest, Usage
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


async def test_requests_that_were_sent_before_that_was_known_are_asked_again_too(server: ChatServer) -> None:
    server.strict = True
    generator = OpenAIGenerator.remote(Settings(endpoint=server.url))
    heard = []

    async def sample() -> None:
        async with aclosing(generator.sample(SampleRequest(ASKED, prefill="x"))) as pieces:
            heard.append(text([piece async for piece in pieces]))

    async with aclosing(generator):
        await generator.prepare()
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(sample)
        assert heard == ["hi"] * 4
        assert len(server.requests) == 8
        await sample()
    assert len(server.requests) == 9, "then it is known"


async def test_another_refusal_does_not_end_the_continuation_of_beginnings(server: ChatServer) -> None:
    too_long = (400, {"error": {"message": "the prompt is too long"}})
    server.refusals = [too_long, too_long]
    generator = OpenAIGenerator.remote(Settings(endpoint=server.url))
    async with aclosing(generator):
        with pytest.raises(GenerationError, match="too long"):
            await anext(generator.sample(SampleRequest(ASKED, prefill="x")))
        async with aclosing(generator.sample(SampleRequest(ASKED, prefill="y"))) as pieces:
            assert text([piece async for piece in pieces]) == "hi"
    assert ["continue_final_message" in sent for sent in server.requests] == [True, False, True]


async def test_a_refusal_is_passed_on_with_its_reason(server: ChatServer) -> None:
    server.refusals = [(404, {"error": {"message": "no such model"}})]
    with pytest.raises(GenerationError, match="no such model"):
        await sampled(server)


@pytest.mark.parametrize(("status", "lasting"), [(400, False), (413, False), (401, True), (402, True), (404, True)])
async def test_a_refusal_says_whether_it_is_of_this_request_alone(
    server: ChatServer, status: int, lasting: bool
) -> None:
    server.refusals = [(status, {"error": "no"})]
    with pytest.raises(RefusedError) as caught:
        await sampled(server)
    assert caught.value.lasting is lasting


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


@pytest.mark.parametrize(("status", "passes"), [(404, True), (405, True), (501, True), (400, False), (502, False)])
async def test_only_a_server_that_has_no_list_of_models_passes_without_one(
    server: ChatServer, status: int, passes: bool
) -> None:
    server.status = status
    generator = OpenAIGenerator.remote(Settings(endpoint=server.url, model="mine"))
    async with aclosing(generator):
        if passes:
            assert (await generator.prepare()).model == "mine"
        else:
            with pytest.raises(GenerationError, match=str(status)):
                await generator.prepare()


class Proxy:
    """Answers 404 to whatever it is asked, and remembers the request lines."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readline()).decode())
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    """The environment's proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    proxy = Proxy()
    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as listening:
        address = "{}:{}".format(*listening.sockets[0].getsockname())
        monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@{address}")
        yield proxy


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost:9", "[::1]:9", "10.255.255.1:9", "gpu-box", "gpu.local"])
async def test_code_for_this_machine_or_its_network_goes_to_no_proxy(proxy: Proxy, host: str) -> None:
    generator = OpenAIGenerator.remote(Settings(endpoint=f"http://{host}/v1", model="mine"))
    async with aclosing(generator):
        with anyio.move_on_after(0.5), suppress(GenerationError):
            await generator.prepare()
    assert generator.where == host
    assert not proxy.asked


async def test_a_proxy_is_named_where_one_is_used(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(endpoint="http://models.example.com/v1", model="mine")
    generator = OpenAIGenerator.remote(settings)
    async with aclosing(generator):
        info = await generator.prepare()
    assert re.fullmatch(r"models\.example\.com \(by the proxy 127\.0\.0\.1:\d+\)", info.where)
    assert proxy.asked == ["GET http://models.example.com/v1/models HTTP/1.1\r\n"]
    monkeypatch.setenv("NO_PROXY", "example.com")
    assert OpenAIGenerator.remote(settings).where == "models.example.com"


@pytest.mark.parametrize("url", ["gopher://somewhere:70", "http://somewhere:808O"])
async def test_a_proxy_that_cannot_be_used_is_an_error_in_words(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", url)
    with pytest.raises(ConfigError, match=r"proxy for the endpoint models\.example\.com"):
        make_generator(Settings(endpoint="http://models.example.com/v1"))


async def test_white_space_around_a_key_is_no_part_of_it(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", " s3cret\n")
    generator = OpenAIGenerator.remote(Settings(endpoint=server.url, endpoint_key_env="SOME_KEY"))
    async with aclosing(generator):
        await generator.prepare()
    assert server.keys == ["Bearer s3cret"]


@pytest.mark.parametrize("key", ["s3cret\nHost: x", "s3crét", "s3cret\x7f", " \n"])
async def test_what_cannot_be_a_key_is_refused_by_its_variable_and_not_shown(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", key)
    with pytest.raises(ConfigError, match="SOME_KEY") as caught:
        make_generator(Settings(endpoint="http://gpu-box/v1", endpoint_key_env="SOME_KEY"))
    assert "s3cr" not in str(caught.value)


async def test_what_the_http_client_says_of_a_request_that_it_cannot_send_is_not_passed_on(server: ChatServer) -> None:
    generator = OpenAIGenerator.remote(Settings(endpoint=server.url))
    generator._client.headers["Authorization"] = "Bearer s3cret\n"
    async with aclosing(generator):
        with pytest.raises(GenerationError) as caught:
            await generator.prepare()
    assert "s3cret" not in str(caught.value)
    assert "cannot be sent" in caught.value.what


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
