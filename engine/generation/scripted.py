"""A generator that plays a script: for tests in which a model's text is not the subject.

The script is a JSON file:

    {"replies": [{"match": "def add", "text": "    return a + b\\n", "delay_per_token": 0.01}, ...]}

Each sample takes the next reply that was not used yet and whose `match` occurs in the messages or the prefill (a reply
without `match` fits all); when all that fit are used, the last of them serves again.  `"repeat": true` says the text
over and over until it is cancelled or `max_tokens` are reached, and `{"error": "..."}` fails instead.  A token is a
word with the white space before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

import anyio
import cattrs
from attrs import frozen

from engine.energy.base import Work
from engine.errors import ConfigError, GenerationError
from engine.generation.base import GeneratorInfo, Piece, SampleRequest, Usage

_TOKEN = re.compile(r"\s*\S+|\s+")


@frozen
class Reply:
    """One reply; `delay_per_token` is in seconds."""

    text: str = ""
    match: str | None = None
    delay_per_token: float = 0.0
    repeat: bool = False
    error: str | None = None

    def fits(self, request: SampleRequest) -> bool:
        said = [message.content for message in request.messages] + [request.prefill]
        return self.match is None or any(self.match in text for text in said)

    def tokens(self) -> Iterator[str]:
        tokens = _TOKEN.findall(self.text)
        return cycle(tokens) if self.repeat else iter(tokens)


class ScriptedGenerator:
    """Plays `replies`, in the order in which samples are begun."""

    def __init__(self, replies: tuple[Reply, ...], *, name: str = "script") -> None:
        self._replies = replies
        self._used: set[int] = set()
        self._name = name

    @classmethod
    def load(cls, path: Path) -> ScriptedGenerator:
        """Read a script.

        Raises:
            ConfigError: it is missing or not of the form above.
        """
        converter = cattrs.Converter(forbid_extra_keys=True)
        try:
            script: dict[str, Any] = json.loads(path.read_text("utf-8"))
            replies = converter.structure(script["replies"], tuple[Reply, ...])
        except (OSError, ValueError, KeyError, TypeError, cattrs.BaseValidationError) as error:
            raise ConfigError(f"The script {path} cannot be used: {error!r}.") from error
        return cls(replies, name=path.stem)

    async def prepare(self) -> GeneratorInfo:
        return GeneratorInfo(self._name, "a script")

    async def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        reply = self._next(request)
        if reply.error is not None:
            raise GenerationError(reply.error)
        count, text = 0, ""
        finish: Literal["stop", "length"] = "stop"
        for token in reply.tokens():
            if count == request.max_tokens:
                finish = "length"
                break
            await anyio.sleep(reply.delay_per_token)
            count, text = count + 1, text + token
            if any(stop in text for stop in request.stop):
                break
            yield Piece(token, 1)
        prompt = sum(len(_TOKEN.findall(message.content)) for message in request.messages)
        yield Piece(finish=finish, usage=Usage(prompt_tokens=prompt, completion_tokens=count))

    async def work(self) -> Work | None:
        return Work()

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def _next(self, request: SampleRequest) -> Reply:
        fitting = [index for index, reply in enumerate(self._replies) if reply.fits(request)]
        if not fitting:
            raise GenerationError("No reply of the script fits the request.")
        index = next((i for i in fitting if i not in self._used), fitting[-1])
        self._used.add(index)
        return self._replies[index]
