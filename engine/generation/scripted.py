"""A generator that plays a script: for tests in which a model's text is not the subject.

The script is a JSON file:

    {"replies": [{"match": "def add", "text": "    return a + b\\n", "delay_per_token": 0.01}, ...]}

Each sample takes the next reply that was not used yet and whose `match` occurs in the messages or the prefill (a reply
without `match` fits all); when all that fit are used, the last of them serves again.  `"repeat": true` says the text
over and over until it is cancelled or `max_tokens` are reached, and `{"error": "..."}` fails instead.  A token is a
word with the white space before it.

Beside `replies` the script may have `"journal": PATH`, a file to which a JSON line is added for each thing asked
(`prepare`, `read ahead`, `sample`, with a hash of the prompt), and for each reading ahead that ended (`read`) or was
cancelled (`dropped`); and `"reading": SECONDS`, which that takes.
"""

from __future__ import annotations

import hashlib
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
    """One reply; `delay_per_token` is in seconds, `logprob` that of the whole text."""

    text: str = ""
    match: str | None = None
    delay_per_token: float = 0.0
    repeat: bool = False
    logprob: float | None = None
    error: str | None = None

    def fits(self, request: SampleRequest) -> bool:
        said = [message.content for message in request.messages] + [request.prefill]
        return self.match is None or any(self.match in text for text in said)

    def tokens(self) -> Iterator[str]:
        tokens = _TOKEN.findall(self.text)
        return cycle(tokens) if self.repeat else iter(tokens)


class ScriptedGenerator:
    """Plays `replies`, in the order in which samples are begun."""

    def __init__(
        self, replies: tuple[Reply, ...], *, name: str = "script", journal: Path | None = None, reading: float = 0.0
    ) -> None:
        self._replies = replies
        self._used: set[int] = set()
        self._name = name
        self._journal = journal
        self._reading = reading

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
            journal = Path(script["journal"]) if "journal" in script else None
            reading = float(script.get("reading", 0.0))
        except (OSError, ValueError, KeyError, TypeError, cattrs.BaseValidationError) as error:
            raise ConfigError(f"The script {path} cannot be used: {error!r}.") from error
        return cls(replies, name=path.stem, journal=journal, reading=reading)

    async def prepare(self) -> GeneratorInfo:
        self._note("prepare")
        return GeneratorInfo(self._name, "a script")

    async def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        self._note("sample", request)
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
        usage = Usage(prompt_tokens=_length(request), completion_tokens=count, logprob=reply.logprob)
        yield Piece(finish=finish, usage=usage)

    async def read_ahead(self, request: SampleRequest) -> Usage | None:
        self._note("read ahead", request)
        how = "dropped"
        try:
            await anyio.sleep(self._reading)
            how = "read"
        finally:
            self._note(how, request)
        return Usage(prompt_tokens=_length(request))

    async def work(self) -> Work | None:
        return Work()

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def _note(self, asked: str, request: SampleRequest | None = None) -> None:
        if self._journal is None:
            return
        prompt = (
            "" if request is None else hashlib.sha256(repr((request.messages, request.prefill)).encode()).hexdigest()
        )
        with self._journal.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps({"asked": asked, "prompt": prompt}) + "\n")

    def _next(self, request: SampleRequest) -> Reply:
        fitting = [index for index, reply in enumerate(self._replies) if reply.fits(request)]
        if not fitting:
            raise GenerationError("No reply of the script fits the request.")
        index = next((i for i in fitting if i not in self._used), fitting[-1])
        self._used.add(index)
        return self._replies[index]


def _length(request: SampleRequest) -> int:
    return sum(len(_TOKEN.findall(message.content)) for message in request.messages)
