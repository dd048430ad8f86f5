"""Any server that speaks the OpenAI chat-completions protocol: the local host, llama-server, vLLM, Ollama and others.

The reply's beginning (`SampleRequest.prefill`) goes out as a trailing assistant message.  Servers differ in how they
take it; those that start the reply anew are recognised by their repeating it, and the repetition is dropped.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from attrs import asdict, evolve

from engine.config import Settings
from engine.energy.base import Work
from engine.errors import GenerationError
from engine.generation.base import GeneratorInfo, LostError, Piece, RefusedError, SampleRequest, Usage
from engine.generation.endpoints import CONNECT_SECONDS, SILENCE_SECONDS, connect
from engine.generation.sse import EventReader

_BUSY = 429
_NO_SUCH_PATH = (404, 405, 501)
_UNKNOWN_FIELDS = (400, 422)
_LASTING = (401, 402, 403, 404)  # of the key, the account or the model, not of one request


class OpenAIGenerator:
    """Samples from a server, one streamed request a sample.

    Args:
        client: its base URL is the one that `chat/completions` is relative to, with a slash at its end.
        model: the name sent with requests; empty: the first that the server lists.
        where: how the server is called towards the user.
        own: it is Greenfinch's host, which needs no foreign fields and counts tokens with each chunk.
    """

    def __init__(self, client: httpx.AsyncClient, *, model: str, where: str, own: bool = False) -> None:
        self._client = client
        self._model = model
        self._where = where
        self._own = own
        self._extras = not own

    @classmethod
    def remote(cls, settings: Settings, endpoint: str = "", *, silence: float = SILENCE_SECONDS) -> OpenAIGenerator:
        """The server at `endpoint`, or at the one that `settings.endpoint` names.

        Raises:
            ConfigError: the endpoint cannot be used, or the variable that should hold its key is not set.
        """
        client, where = connect(endpoint or settings.endpoint, settings.endpoint_key_env, silence=silence)
        return cls(client, model="" if settings.model == "auto" else settings.model, where=where)

    @property
    def where(self) -> str:
        """How the server is called towards the user."""
        return self._where

    async def prepare(self) -> GeneratorInfo:
        """Ask the server for its models; a server that has no such list passes if the model is named."""
        try:
            reply = await self._client.get("models", timeout=CONNECT_SECONDS)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        listed: list[str] = []
        if reply.is_success:
            try:
                listed = [str(entry["id"]) for entry in reply.json()["data"]]
            except (ValueError, KeyError, TypeError) as error:
                raise GenerationError(
                    f"{self._where} answers, but not in the OpenAI protocol.",
                    remedy="Check the setting endpoint; its path usually ends in /v1.",
                ) from error
        elif reply.status_code not in _NO_SUCH_PATH or not self._model:
            raise self._refused(reply, reply.text)
        if listed and self._model and self._model not in listed:
            raise GenerationError(
                f"{self._where} has no model {self._model!r}.", remedy=f"It offers: {', '.join(listed[:8])}."
            )
        if not self._model:
            if not listed:
                raise GenerationError(f"{self._where} offers no model.", remedy="Load one there, or name one here.")
            self._model = listed[0]
        return GeneratorInfo(self._model, self._where, {"protocol": "openai"})

    async def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        """Stream one sample; closing the iterator closes the connection, which ends the sample at the server.

        Raises:
            LostError: the server went away, or says that it cannot serve for now.
            RefusedError: it refused the request.
            GenerationError: it does not speak the protocol.
        """
        if not self._model:
            await self.prepare()
        extras, without_extras = self._extras and bool(request.prefill or request.min_p), False
        try:
            while True:
                body = self._body(request, extras=extras)
                async with self._client.stream("POST", "chat/completions", json=body) as reply:
                    if reply.is_success:
                        if without_extras:  # it was them that the server did not take
                            self._extras = False
                        stream, lines = _Stream(self._where, request.prefill, own=self._own), EventReader()
                        async for block in reply.aiter_bytes():
                            for data in lines.feed(block):
                                if piece := stream.take(data):
                                    yield piece
                        yield stream.end()
                        return
                    text = (await reply.aread()).decode("utf-8", "replace")
                    if extras and reply.status_code in _UNKNOWN_FIELDS:
                        extras, without_extras = False, True  # perhaps it checks for unknown fields; once more without
                        continue
                    raise self._refused(reply, text)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    async def read_ahead(self, request: SampleRequest) -> Usage | None:
        """By a request for no tokens, which Greenfinch's own host takes so; no other server is asked."""
        if not self._own:
            return None
        usage = None
        async with aclosing(self.sample(evolve(request, max_tokens=0))) as pieces:
            async for piece in pieces:
                usage = piece.usage or usage
        return usage

    async def work(self) -> Work | None:
        """None on this machine, as far as is known."""
        return Work(elsewhere=True)

    async def aclose(self) -> None:
        await self._client.aclose()

    def _body(self, request: SampleRequest, *, extras: bool) -> dict[str, Any]:
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        if request.prefill:
            messages.append({"role": "assistant", "content": request.prefill})
        body: dict[str, Any] = {
            "model": self._model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": request.seed,
            "max_tokens": request.max_tokens,
        }
        if request.stop:
            body["stop"] = list(request.stop)
        if request.min_p and (self._own or extras):
            body["min_p"] = request.min_p
        if self._own:
            body["stream_options"]["continuous_usage_stats"] = True
            if request.avoid_line_start:
                body["avoid_line_start"] = request.avoid_line_start
            if request.distinct:
                body["distinct"] = asdict(request.distinct)
        elif extras and request.prefill:  # vLLM's way of continuing a message
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        return body

    def _refused(self, reply: httpx.Response, text: str) -> GenerationError:
        status = reply.status_code
        try:
            message = _message(json.loads(text))
        except ValueError:
            message = text.strip()[:200] or "no reason given"
        remedy = "Check the endpoint and the model's name."
        if status in (401, 403):
            remedy = "Check the key: the setting endpoint_key_env names the variable that holds it."
        elif self._own:
            remedy = ""
        what = f"{self._where} refused the request ({status}): {message}"
        if status < 500 and status != _BUSY:
            refused = RefusedError(what, remedy=remedy)
            refused.lasting = status in _LASTING
            return refused
        lost = LostError(what, remedy=remedy)
        lost.busy, lost.retry_after = status == _BUSY, _retry_after(reply.headers.get("retry-after", ""))
        return lost

    def _unreachable(self, error: httpx.HTTPError) -> LostError:
        what = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "cannot be reached"
        why = str(error)
        if isinstance(error, httpx.LocalProtocolError):  # it may quote what was to be sent, such as the key
            what, why = "was not asked, since the request cannot be sent", ""
        return LostError(
            f"{self._where} {what}: {why or type(error).__name__}.",
            remedy="Check that the server runs, or clear the setting endpoint to use the local host.",
        )


class _Stream:
    """Makes pieces of the events of one streamed answer."""

    def __init__(self, where: str, prefill: str, *, own: bool) -> None:
        self._where = where
        self._own = own
        self._echo = _EchoFilter("" if own else prefill)
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._tokens = 0

    def take(self, data: str) -> Piece | None:
        """The piece in one event, if it holds any.  Without the server's count, a chunk of text is one token."""
        event = self._parse(data)
        self._usage = _usage(event.get("usage")) or self._usage
        choice = next(iter(event.get("choices") or ()), None)
        if choice is None:
            return None
        text = (choice.get("delta") or {}).get("content") or ""
        self._finish = choice.get("finish_reason") or self._finish
        counted = self._usage.completion_tokens if self._own and self._usage else self._tokens + bool(text)
        new, self._tokens = counted - self._tokens, counted
        text = self._echo.feed(text)
        return Piece(text, new, usage=self._usage) if text or new else None

    def end(self) -> Piece:
        """The last piece; it makes up for tokens that came without text."""
        if self._finish is None:
            raise LostError(f"{self._where} ended the stream in the middle of a sample.", remedy="Try again.")
        late = max(0, self._usage.completion_tokens - self._tokens) if self._usage else 0
        return Piece(self._echo.finish(), late, "length" if self._finish == "length" else "stop", self._usage)

    def _parse(self, data: str) -> dict[str, Any]:
        try:
            event = json.loads(data)
        except ValueError as error:
            raise GenerationError(f"{self._where} sent something that is not JSON: {data[:80]!r}.") from error
        if not isinstance(event, dict):
            raise GenerationError(f"{self._where} sent something that is not an event: {data[:80]!r}.")
        if event.get("error"):
            raise LostError(f"{self._where} reports: {_message(event)}")
        return event


class _EchoFilter:
    """Drops the prefill from a reply's start, where a server repeats it."""

    def __init__(self, prefill: str) -> None:
        self._prefill = prefill.lstrip()
        self._held = ""

    def feed(self, text: str) -> str:
        """Text that certainly is no repetition."""
        if not self._prefill:
            return text
        self._held += text
        begun = self._held.lstrip()
        if len(begun) < len(self._prefill) and self._prefill.startswith(begun):
            return ""
        held, self._held = (begun.removeprefix(self._prefill) if begun.startswith(self._prefill) else self._held), ""
        self._prefill = ""
        return held

    def finish(self) -> str:
        held, self._held = self._held, ""
        return held


def _retry_after(header: str) -> float:
    """Seconds that a `Retry-After` header asks for, which gives them or a date; 0 if it says neither."""
    with suppress(ValueError):
        return max(0.0, float(header))
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return 0.0
    return max(0.0, date.timestamp() - time.time())


def _usage(value: object) -> Usage | None:
    if not isinstance(value, dict):
        return None
    details = value.get("prompt_tokens_details") or {}
    return Usage(
        prompt_tokens=int(value.get("prompt_tokens") or 0),
        cached_tokens=int(details.get("cached_tokens") or 0),
        completion_tokens=int(value.get("completion_tokens") or 0),
        logprob=value.get("completion_logprob"),
    )


def _message(body: object) -> str:
    error = body.get("error", body) if isinstance(body, dict) else body
    return str(error.get("message", error) if isinstance(error, dict) else error)
