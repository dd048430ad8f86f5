"""The narrow door to any model: `Generator`.  A backend is one file that implements it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Literal, Protocol

from attrs import field, frozen

from engine.energy.base import Work
from engine.errors import GenerationError


class LostError(GenerationError):
    """The server went away or fails as a whole: the same request may do elsewhere, or there again later.

    Attributes:
        busy: it is there, and has too much to do.
        retry_after: seconds after which it wants to be asked again; 0: it did not say.
    """

    busy = False
    retry_after = 0.0


class RefusedError(GenerationError):
    """The server is there, and does not do what it was asked.

    Attributes:
        lasting: it would refuse every other request, too, as for a key that does not hold any more.
    """

    lasting = False


@frozen
class Message:
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


@frozen
class Distinct:
    """Samples that are not to repeat each other, where the backend can see to it.

    Attributes:
        key: what they have in common, besides their prompt.
        number: of this one.
        ended: the earlier ones that came to their end, each with its number of tokens.
    """

    key: str
    number: int
    ended: tuple[tuple[int, int], ...] = ()


@frozen
class SampleRequest:
    """What one candidate is sampled from.

    Attributes:
        messages: system and user turns; equal for all candidates of one prompt, so that backends can share them.
        prefill: the beginning of the assistant's reply; the sample continues it and does not repeat it.
        temperature: 0 is greedy.
        seed: the same request with the same seed gives the same sample, as far as the backend can.
        max_tokens: at most this many are sampled.
        stop: strings that end the sample, and are not part of it.
        avoid_line_start: no line of the sample begins with this, white space aside, where the backend can see to it.
    """

    messages: tuple[Message, ...]
    prefill: str = ""
    temperature: float = 0.0
    top_p: float = 0.95
    min_p: float = 0.0
    seed: int = 0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    avoid_line_start: str = ""
    distinct: Distinct | None = None


@frozen
class Usage:
    """What a sample has cost so far, as the backend reports it.

    Attributes:
        prompt_tokens: length of the prompt, prefill included.
        cached_tokens: of these, the ones that needed no evaluation.
        completion_tokens: sampled tokens.
        logprob: natural logarithm of the model's own probability of these together, where the backend says.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    logprob: float | None = None


@frozen
class Piece:
    """The next bit of a sample.

    Attributes:
        text: may be empty (the last piece often is).
        tokens: sampled tokens that this piece stands for.
        finish: None until the last piece: `stop` (the model ended it) or `length` (`max_tokens` were used up).
        usage: so far, with the last piece at the latest, if the backend says.
        note: what failed, and what goes on in its place, in a few words for the user.
    """

    text: str = ""
    tokens: int = 0
    finish: Literal["stop", "length"] | None = None
    usage: Usage | None = None
    note: str = ""


@frozen
class GeneratorInfo:
    """Where a run's tokens come from, as shown to the user and kept in its record.

    Attributes:
        fallback: what is used in place of what was meant, in a few words; empty if nothing is.
        parameters: of the model; 0 if that is not known.
    """

    model: str
    where: str
    details: dict[str, str] = field(factory=dict)
    fallback: str = ""
    parameters: int = 0


class Generator(Protocol):
    """Samples text.  Safe to call from many tasks at once; leaving the iterator early frees what it held."""

    async def prepare(self) -> GeneratorInfo:
        """Make ready (start the host, load the model) and say what was made ready.

        Raises:
            ModelError: the model is not there or cannot be loaded.
            GenerationError: the backend does not answer.
        """

    def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        """Stream one sample.  Close the generator (`aclose`) to cancel it within one decode step.

        Raises:
            GenerationError: while iterating.
        """

    async def read_ahead(self, request: SampleRequest) -> Usage | None:
        """Have the prompt of `request` read, so that samples that begin with it need not; nothing is sampled.

        It gives way to every sample, and cancelling it keeps what was read so far.  None: this backend has no way to do
        so, or it is on another machine, which is told nothing before somebody asks for a sample.

        Raises:
            GenerationError: the backend does not answer.
        """

    async def work(self) -> Work | None:
        """What the backend has done so far on this machine; None while that cannot be known."""

    async def aclose(self) -> None:
        """Let go of connections.  A shared host keeps running for others."""
