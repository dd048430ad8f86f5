"""The OpenAI chat-completions protocol: what is read from a request, and the objects that are sent back."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from engine.host.backend import Sampling
from engine.host.distinct import Distinct
from engine.host.samples import TokenLogprob

MOST_CHOICES = 32
MOST_STOPS = 16
MOST_LOGPROBS = 20
LONGEST_LINE_START = 8
LONGEST_KEY = 128
_ROLES = ("system", "user", "assistant")


class ProtocolError(Exception):
    """A request that cannot be served as it is; sent back as the protocol's error object."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param = param
        self.code = code
        self.status = status

    def as_json(self) -> dict[str, Any]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


@frozen
class ChatRequest:
    """A checked request.

    Attributes:
        max_tokens: None: as many as the context leaves. 0: none; the prompt is read for requests to come, while the
            host has nothing else to do.
        logprobs: how many likeliest tokens to tell with each token's own log probability; None: none, nor its own.
        avoid_line_start: no line of the reply begins with this, white space aside; this host's own addition.
        distinct: which other samples it must not repeat; this host's own addition.
    """

    messages: tuple[tuple[str, str], ...]
    choices: int
    sampling: Sampling
    max_tokens: int | None
    stop: tuple[str, ...]
    logprobs: int | None
    avoid_line_start: str
    distinct: Distinct | None
    stream: bool
    include_usage: bool
    continuous_usage: bool


def parse_request(body: object) -> ChatRequest:
    """Check a decoded JSON body.

    Raises:
        ProtocolError: naming the first parameter that is wrong or not supported.
    """
    if not isinstance(body, dict):
        raise ProtocolError("The request must be a JSON object.")
    for name in ("tools", "functions", "logit_bias"):
        if body.get(name):
            raise ProtocolError(f"{name} is not supported by this host.", param=name, code="unsupported_parameter")
    if body.get("response_format") not in (None, {"type": "text"}):
        raise ProtocolError("Only text is supported.", param="response_format", code="unsupported_parameter")
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise ProtocolError("stream_options must be an object.", param="stream_options")
    limit = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    seed = _integer(body, "seed", None, -(2**63), 2**63 - 1)
    return ChatRequest(
        messages=_messages(body.get("messages")),
        choices=_integer(body, "n", 1, 1, MOST_CHOICES) or 1,
        sampling=Sampling(
            temperature=_number(body, "temperature", 1.0, 0.0, 2.0),
            top_p=_number(body, "top_p", 1.0, 0.0, 1.0),
            min_p=_number(body, "min_p", 0.0, 0.0, 1.0),
            seed=secrets.randbits(31) if seed is None else seed,
        ),
        max_tokens=_integer(body, limit, None, 0, 2**31 - 1),
        stop=_stop(body.get("stop")),
        logprobs=_logprobs(body),
        avoid_line_start=_line_start(body),
        distinct=_distinct(body.get("distinct")),
        stream=_flag(body, "stream"),
        include_usage=_flag(options, "include_usage"),
        continuous_usage=_flag(options, "continuous_usage_stats"),
    )


def _messages(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list) or not value:
        raise ProtocolError("messages must be a list with at least one message.", param="messages")
    messages = []
    for index, message in enumerate(value):
        where = f"messages[{index}]"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise ProtocolError(f"{where} needs a role: one of {', '.join(_ROLES)}.", param=where)
        content = message.get("content")
        if isinstance(content, list):
            parts = [part.get("text") for part in content if isinstance(part, dict)]
            texts = [part for part in parts if isinstance(part, str)]
            content = "".join(texts) if len(texts) == len(content) else None
        if not isinstance(content, str):
            raise ProtocolError(f"The content of {where} must be text.", param=f"{where}.content")
        messages.append((str(message["role"]), content))
    if all(role == "assistant" for role, _content in messages):
        raise ProtocolError("messages must hold a system or user message.", param="messages")
    return tuple(messages)


def _stop(value: object) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(stops, list) or len(stops) > MOST_STOPS or not all(isinstance(s, str) and s for s in stops):
        raise ProtocolError(f"stop must be a text or a list of up to {MOST_STOPS} texts.", param="stop")
    return tuple(stops)


def _distinct(value: object) -> Distinct | None:
    """`{"key": text, "number": n, "ended": [[number, tokens], ...]}`; see `distinct.Distinct`."""
    if value is None:
        return None
    match value:
        case {"key": str(key), "number": int(number), "ended": list(ended)} if 0 < len(key) <= LONGEST_KEY:
            if all(isinstance(each, list) and [type(part) for part in each] == [int, int] for each in ended):
                return Distinct(key, number, {each[0]: each[1] for each in ended})
    raise ProtocolError(
        f"distinct needs a key of up to {LONGEST_KEY} characters, a number, and a list of [number, tokens] that ended.",
        param="distinct",
    )


def _line_start(body: Mapping[str, Any]) -> str:
    value = body.get("avoid_line_start") or ""
    if not isinstance(value, str) or len(value) > LONGEST_LINE_START or value != value.strip():
        raise ProtocolError(
            f"avoid_line_start must be a text of up to {LONGEST_LINE_START} characters, without white space around it.",
            param="avoid_line_start",
        )
    return value


def _logprobs(body: Mapping[str, Any]) -> int | None:
    top = _integer(body, "top_logprobs", None, 0, MOST_LOGPROBS)
    if _flag(body, "logprobs"):
        return top or 0
    if top is not None:
        raise ProtocolError("top_logprobs needs logprobs to be true.", param="top_logprobs")
    return None


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value not in (None, True, False):
        raise ProtocolError(f"{name} must be true or false.", param=name)
    return bool(value)


def _number(body: Mapping[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ProtocolError(f"{name} must be a number from {least:g} to {most:g}.", param=name)
    return float(value)


def _integer(body: Mapping[str, Any], name: str, default: int | None, least: int, most: int) -> int | None:
    value = body.get(name)
    if value is None:
        return default
    if type(value) is not int or not least <= value <= most:
        raise ProtocolError(f"{name} must be a whole number from {least} to {most}.", param=name)
    return value


def usage(prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """The protocol's usage object."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": cached_tokens},
    }


def logprobs(tokens: Iterable[TokenLogprob]) -> dict[str, Any]:
    """The protocol's logprobs object of one choice."""
    content = [{**_token(token), "top_logprobs": [_token(other) for other in token.top]} for token in tokens]
    return {"content": content, "refusal": None}


def _token(token: TokenLogprob) -> dict[str, Any]:
    text = token.token.decode("utf-8", "replace")  # half a character is told by its bytes
    return {"token": text, "logprob": token.logprob, "bytes": list(token.token)}


@frozen
class Envelope:
    """What all objects of one answer have in common."""

    id: str
    created: int
    model: str

    @classmethod
    def new(cls, model: str) -> Envelope:
        return cls(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), model)

    def chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None) -> dict[str, Any]:
        """One event of a stream."""
        return {**self._common("chat.completion.chunk"), "choices": choices, **({"usage": usage} if usage else {})}

    def completion(self, choices: list[dict[str, Any]], usage: dict[str, Any]) -> dict[str, Any]:
        """The whole answer at once."""
        return {**self._common("chat.completion"), "choices": choices, "usage": usage}

    def _common(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}
