"""A model's measures, from its file's head or from the catalogue: all that memory and speed follow from."""

from __future__ import annotations

from attrs import evolve, frozen

from engine.machine.gguf import Header
from engine.models.catalogue import ModelEntry

# Bits a weight takes on average in llama.cpp's mixtures, for files that nobody has made yet.
BITS = {"Q8_0": 8.5, "Q6_K": 6.56, "Q5_K_M": 5.69, "Q4_K_M": 4.85, "Q3_K_M": 3.91, "Q2_K": 3.0}
KV_BITS = {"f16": 16.0, "q8_0": 8.5, "q4_0": 4.5}


@frozen
class Shape:
    """Measures of a decoder with grouped attention and gated feed-forward layers (Llama, Qwen2 and their like).

    Attributes:
        width: of the embedding; inner: of the feed-forward layers; head: of one head of attention.
        file: bytes of all tensors. tied: one table serves as embedding and as output.
        context: tokens that it was trained to attend to.
    """

    layers: int
    width: int
    inner: int
    heads: int
    kv_heads: int
    head: int
    vocabulary: int
    file: int
    tied: bool
    context: int

    @classmethod
    def of_header(cls, header: Header) -> Shape:
        """From a file's head."""
        heads = max(1, header.number("{}.attention.head_count", 1))
        width = header.number("{}.embedding_length")
        return cls(
            header.number("{}.block_count"),
            width,
            header.number("{}.feed_forward_length"),
            heads,
            header.number("{}.attention.head_count_kv", heads),
            header.number("{}.attention.key_length", width // heads),
            header.number("tokenizer.ggml.tokens.length"),
            header.weights,
            not header.output,
            header.number("{}.context_length"),
        )

    @classmethod
    def of_entry(cls, entry: ModelEntry) -> Shape | None:
        """From the catalogue, whose files have a table for the output; None where it does not say."""
        if not entry.layers:
            return None
        head = entry.width // entry.heads
        return cls(
            entry.layers, entry.width, entry.inner, entry.heads, entry.kv_heads, head, entry.vocabulary, entry.size,
            False, entry.context,
        )  # fmt: skip

    def quantised(self, kind: str) -> Shape:
        """The same model with another average of bits a weight."""
        return evolve(self, file=round(self.stored * BITS[kind] / 8))

    @property
    def body(self) -> int:
        """Weights of the layers."""
        attention = 2 * self.width * self.heads * self.head + 2 * self.width * self.kv_heads * self.head
        return self.layers * (attention + 3 * self.width * self.inner)

    @property
    def output(self) -> int:
        """Weights of the output, which has a row for each word of the vocabulary."""
        return self.vocabulary * self.width

    @property
    def stored(self) -> int:
        """All weights."""
        return self.body + self.output * (1 if self.tied else 2)

    @property
    def read(self) -> float:
        """Bytes of the file that each decode step reads: all but an embedding's table, of which it takes rows."""
        return self.file * (self.body + self.output) / self.stored

    def cell(self, kv: str = "f16") -> float:
        """Bytes of KV cache for one token."""
        return 2 * self.layers * self.kv_heads * self.head * KV_BITS[kv] / 8
