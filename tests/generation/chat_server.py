"""A small OpenAI-compatible server whose answers a test scripts, and which remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    delta = {} if text is None else {"content": text}
    body = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


async def eventually(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until `condition` holds; a `TimeoutError` if it does not in time."""
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - a process or a thread changes it, and sets no event
            await anyio.sleep(0.01)


class ChatServer:
    """Attributes to set: `stream` (blocks of a streamed answer), `refusals` (status and body, used up first), `headers`
    (of refusals), `status` (of the list of models), `strict` (refuses fields that the protocol lacks).
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.models: object = {"data": [{"id": "first"}, {"id": "second"}]}
        self.stream: list[bytes] = [chunk("hi"), chunk(None, "stop"), b"data: [DONE]\n\n"]
        self.endless = False
        self.refusals: list[tuple[int, object]] = []
        self.headers: dict[str, str] = {}
        self.status = 200
        self.strict = False
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.left = 0
        self.app = Starlette(
            routes=[
                Route("/v1/models", self._models),
                Route("/v1/chat/completions", self._completions, methods=["POST"]),
            ]
        )

    async def _models(self, request: Request) -> Response:
        self.keys.append(request.headers.get("authorization"))
        return JSONResponse(self.models, status_code=self.status)

    async def _completions(self, request: Request) -> Response:
        self.requests.append(await request.json())
        if self.refusals:
            status, body = self.refusals.pop(0)
            return JSONResponse(body, status_code=status, headers=self.headers)
        if self.strict and "continue_final_message" in self.requests[-1]:
            await asyncio.sleep(0.1)
            return JSONResponse({"error": "unknown field"}, status_code=422)
        return StreamingResponse(self._blocks(), media_type="text/event-stream")

    async def _blocks(self) -> AsyncIterator[bytes]:
        try:
            for block in self.stream:
                yield block
                await asyncio.sleep(0)
            while self.endless:
                yield chunk("more ")
                await asyncio.sleep(0.01)
        finally:
            self.left += 1
