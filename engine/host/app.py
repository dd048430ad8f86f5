"""The HTTP face of the host: chat completions, the model's name, its health and its metrics.

A client that goes away takes its samples with it: every answer listens for the disconnect while it is written.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

import anyio
import attrs
from anyio.streams.memory import MemoryObjectReceiveStream
from attrs import evolve, frozen
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from engine.host.backend import Backend
from engine.host.batcher import Batcher
from engine.host.metrics import METRICS_TYPE, exposition
from engine.host.prompt import encode_chat
from engine.host.protocol import ChatRequest, Envelope, ProtocolError, logprobs, parse_request, usage
from engine.host.samples import Chunk, Sample, TokenLogprob

HEARTBEAT_SECONDS = 5.0  # a stream says at least this often that it lives; clients may time out on silence
LARGEST_BODY = 16 * 1024 * 1024
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode  # made once; `json.dumps` makes one each time


@frozen
class _Answer:
    """The samples of one request, and the stream in which their chunks arrive as (choice, chunk)."""

    request: ChatRequest
    samples: tuple[Sample, ...]
    chunks: MemoryObjectReceiveStream[tuple[int, Chunk]]
    envelope: Envelope

    def usage(self, completion_tokens: int) -> dict[str, Any]:
        first = self.samples[0]
        return usage(len(first.prompt), first.cached_tokens, completion_tokens)


class _Reply(Response):
    """Writes an answer while listening for the client's disconnect; either way no sample is left running."""

    def __init__(self, batcher: Batcher, answer: _Answer) -> None:
        super().__init__()
        self._batcher = batcher
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                write = _stream if self._answer.request.stream else _whole
                await write(self._answer, scope, receive, send)
                tasks.cancel_scope.cancel()
        finally:
            for sample in self._answer.samples:
                self._batcher.cancel(sample)
            self._answer.chunks.close()


async def _stream(answer: _Answer, _scope: Scope, _receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    said = time.monotonic()

    async def event(data: bytes) -> None:
        nonlocal said
        said = time.monotonic()
        await send({"type": "http.response.body", "body": data, "more_body": True})

    async def live() -> None:
        while True:
            await anyio.sleep(max(0.05, said + HEARTBEAT_SECONDS - time.monotonic()))
            if time.monotonic() - said >= HEARTBEAT_SECONDS:
                await event(b": waiting\n\n")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(live)  # beside the chunks: a limit on the wait for each of them costs more than the chunk
        await _events(answer, event)
        tasks.cancel_scope.cancel()
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False})


async def _events(answer: _Answer, event: Callable[[bytes], Awaitable[None]]) -> None:
    counts = [0] * len(answer.samples)
    finished = 0
    async for index, chunk in answer.chunks:
        if chunk.error is not None:
            await event(_sse(ProtocolError(chunk.error, status=500).as_json()))
            break
        delta = {"content": chunk.text} if counts[index] else {"role": "assistant", "content": chunk.text}
        counts[index] = chunk.tokens
        choice = {"index": index, "delta": delta, "finish_reason": chunk.finish}
        if answer.request.logprobs is not None:
            choice["logprobs"] = logprobs(chunk.logprobs)
        spent = answer.usage(sum(counts))
        if chunk.logprob is not None and len(counts) == 1:
            spent["completion_logprob"] = round(chunk.logprob, 4)
        await event(_sse(answer.envelope.chunk([choice], spent if answer.request.continuous_usage else None)))
        finished += chunk.finish is not None
        if finished == len(answer.samples):
            if answer.request.include_usage:
                await event(_sse(answer.envelope.chunk([], spent)))
            break


async def _whole(answer: _Answer, scope: Scope, receive: Receive, send: Send) -> None:
    texts = [""] * len(answer.samples)
    tokens: list[list[TokenLogprob]] = [[] for _ in answer.samples]
    last = [Chunk()] * len(answer.samples)
    async for index, chunk in answer.chunks:
        if chunk.error is not None:
            error = ProtocolError(chunk.error, status=500)
            await JSONResponse(error.as_json(), status_code=error.status)(scope, receive, send)
            return
        texts[index] += chunk.text
        tokens[index] += chunk.logprobs
        last[index] = chunk
        if all(c.finish is not None for c in last):
            break
    choices: list[dict[str, Any]] = [
        {"index": i, "message": {"role": "assistant", "content": text}, "finish_reason": chunk.finish}
        for i, (text, chunk) in enumerate(zip(texts, last, strict=True))
    ]
    if answer.request.logprobs is not None:
        for choice, told in zip(choices, tokens, strict=True):
            choice["logprobs"] = logprobs(told)
    spent = answer.usage(sum(chunk.tokens for chunk in last))
    await JSONResponse(answer.envelope.completion(choices, spent))(scope, receive, send)


def _sse(data: dict[str, Any]) -> bytes:
    return b"data: " + _ENCODE(data).encode() + b"\n\n"


def create_app(batcher: Batcher, *, model: str, threads: int) -> Starlette:
    """The ASGI application; `batcher` is started and ended by whoever calls this."""

    async def completions(request: Request) -> Response:
        chat = parse_request(await _body(request))
        return _Reply(batcher, _begin(batcher, _ready(batcher), chat, model))

    async def models(_request: Request) -> Response:
        entry = {"id": model, "object": "model", "created": started, "owned_by": "greenfinch"}
        return JSONResponse({"object": "list", "data": [entry]})

    async def health(_request: Request) -> Response:
        stats = batcher.stats()
        backend = batcher.backend
        body = {
            "status": "ok" if stats.state == "ready" else stats.state,
            "error": batcher.error or None,
            "error_code": batcher.error_code or None,
            "model": model,
            "pid": os.getpid(),
            "most_threads": threads,
            "parameters": backend.parameters if backend else None,
            "device": backend.device if backend else None,
            "context_tokens": backend.context_tokens if backend else None,
            "note": backend.note if backend else "",
            "fallback": backend.fallback if backend else "",
            "cpu_seconds": time.process_time(),
            **attrs.asdict(stats),
        }
        return JSONResponse(body, status_code=200 if stats.state == "ready" else 503)

    async def metrics(_request: Request) -> Response:
        cells = batcher.backend.context_tokens if batcher.backend else 0
        text = exposition(batcher.stats(), cells=cells, cpu_seconds=time.process_time())
        return Response(text, media_type=METRICS_TYPE)

    started = int(time.time())
    return Starlette(
        routes=[
            Route("/v1/chat/completions", completions, methods=["POST"]),
            Route("/v1/models", models),
            Route("/health", health),
            Route("/metrics", metrics),
        ],
        exception_handlers={ProtocolError: _protocol_error, HTTPException: _http_error},
    )


def _ready(batcher: Batcher) -> Backend:
    if batcher.backend is None:
        raise ProtocolError(batcher.error or "The model is still being loaded.", code="loading", status=503)
    return batcher.backend


@lru_cache(maxsize=32)
def _tokens(backend: Backend, messages: tuple[tuple[str, str], ...]) -> list[int]:
    """Of a conversation; those of one run are asked for once a candidate."""
    return encode_chat(backend, messages)


def _begin(batcher: Batcher, backend: Backend, chat: ChatRequest, model: str) -> _Answer:
    prompt = _tokens(backend, chat.messages)
    left = backend.context_tokens - len(prompt)
    if left < (1 if chat.max_tokens is None else chat.max_tokens):
        wanted = f" and {chat.max_tokens} for the reply" if chat.max_tokens else ""
        raise ProtocolError(
            f"This host's context holds {backend.context_tokens} tokens; the prompt needs {len(prompt)}{wanted}.",
            param="messages",
            code="context_length_exceeded",
        )
    send, chunks = anyio.create_memory_object_stream[tuple[int, Chunk]](math.inf)

    def sink(index: int) -> Callable[[Chunk], None]:
        return lambda chunk: send.send_nowait((index, chunk))

    samples = tuple(
        Sample(
            prompt=prompt,
            sampling=evolve(chat.sampling, seed=chat.sampling.seed + index),
            max_tokens=left if chat.max_tokens is None else chat.max_tokens,
            stop=chat.stop,
            sink=sink(index),
            logprobs=chat.logprobs,
            avoid=chat.avoid_line_start,
            at_line_start=_ends_line(chat.messages),
            distinct=evolve(chat.distinct, number=chat.distinct.number + index) if chat.distinct else None,
        )
        for index in range(chat.choices)
    )
    for sample in samples:
        batcher.submit(sample)
    return _Answer(chat, samples, chunks, Envelope.new(model))


def _ends_line(messages: tuple[tuple[str, str], ...]) -> bool:
    """Whether the reply goes on at the start of a line."""
    role, begun = messages[-1]
    return role != "assistant" or not begun.rpartition("\n")[2].strip()


async def _body(request: Request) -> object:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise ProtocolError(f"The request is larger than {LARGEST_BODY} bytes.", status=413)
    try:
        return json.loads(body)
    except ValueError as error:
        raise ProtocolError(f"The request is not valid JSON: {error}.") from error


async def _protocol_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProtocolError)  # noqa: S101 - Starlette calls this for nothing else
    return JSONResponse(error.as_json(), status_code=error.status)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    wrapped = ProtocolError(error.detail, status=error.status_code)
    return JSONResponse(wrapped.as_json(), status_code=error.status_code)
