"""The head of a GGUF file, read before the model is loaded: is it whole, and how much memory will it take?

llama.cpp checks a file, too, but only while it loads it, and a head that lies about its lengths can make it ask for
any amount of memory.  The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from engine.errors import ModelError

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)
_ALIGNMENT = 32
_LONGEST_LIST = 4096  # entries; longer lists are vocabularies, of which the length is enough
_MOST_DIMENSIONS = 4
_OUTPUT = b"output.weight"

Value = int | float | bool | str | list[int | float | bool] | None


class UnfitModelError(ModelError):
    """The file is no model, or not all of one; the text names it."""

    def __init__(self, what: str) -> None:
        super().__init__(what, remedy="Fetch it anew; `greenfinch models verify` checks those of the catalogue.")


@frozen
class Header:
    """What the head says.

    Attributes:
        values: by key; of a list of texts, and of any very long list, only the length as `<key>.length`.
        weights: bytes of tensors, as they lie in the file.
        output: the output has a table of its own; else the embedding's serves for it, too.
    """

    values: Mapping[str, Value]
    weights: int
    output: bool = True

    def number(self, key: str, default: int = 0) -> int:
        """A whole number; `{}` in `key` stands for the architecture.  Of a list (a value a layer), the largest."""
        value = self.values.get(key.format(self.values.get("general.architecture")))
        if isinstance(value, list):
            return int(max(value, default=default))
        return value if type(value) is int else default


def read_header(path: Path) -> Header:
    """Read the head of a model's file.

    Raises:
        UnfitModelError: it is not a GGUF file, its head is damaged, or it is shorter than its head says.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise UnfitModelError(f"{path} is not a GGUF file.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _Reader(data, path).header()
            except (struct.error, KeyError, IndexError, UnicodeDecodeError, ValueError, OverflowError) as error:
                raise UnfitModelError(f"{path} is damaged: its head cannot be read.") from error


class _Reader:
    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self._data = data
        self._path = path
        self._at = 4

    def header(self) -> Header:
        version, tensors, entries = self._unpack("I"), self._unpack("Q"), self._unpack("Q")
        if version not in _VERSIONS:
            raise UnfitModelError(f"{self._path} is of version {version} of GGUF, which is not known here.")
        values: dict[str, Value] = {}
        for _ in range(entries):
            key = self._text()
            value, length = self._value(self._unpack("I"))
            values[key] = value
            if length is not None:
                values[f"{key}.length"] = length
        last = 0
        output = False
        for _ in range(tensors):
            begin = self._at + 8
            self._skip_texts(1)
            output |= self._data[begin : self._at] == _OUTPUT
            dimensions = self._unpack("I")
            if dimensions > _MOST_DIMENSIONS:
                raise ValueError(dimensions)
            self._at += 8 * dimensions + 4
            last = max(last, self._unpack("Q"))
        alignment = values.get("general.alignment", _ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1:
            raise ValueError(alignment)
        begin = -(-self._at // alignment) * alignment
        size = len(self._data)
        if tensors and begin + last >= size:
            raise UnfitModelError(
                f"{self._path} is cut off: it has {size:,} bytes, and its last tensor begins at {begin + last:,}."
            )
        return Header(values, max(0, size - begin), output)

    def _unpack(self, code: str) -> int:
        (value,) = struct.unpack_from(f"<{code}", self._data, self._at)
        self._at += struct.calcsize(f"<{code}")
        return int(value)

    def _text(self) -> str:
        begin = self._at + 8
        self._skip_texts(1)
        return self._data[begin : self._at].decode("utf-8")

    def _skip_texts(self, count: int) -> None:
        data, at, unpack = self._data, self._at, struct.Struct("<Q").unpack_from  # a vocabulary has 300,000 of them
        for _ in range(count):
            at += 8 + unpack(data, at)[0]
        if at > len(data):
            raise ValueError(at)
        self._at = at

    def _value(self, kind: int) -> tuple[Value, int | None]:
        """A value, and the length of what is not kept."""
        if kind == _STRING:
            return self._text(), None
        if kind != _ARRAY:
            return self._scalars(_SCALARS[kind], 1)[0], None
        kind, length = self._unpack("I"), self._unpack("Q")
        if kind == _STRING:
            self._skip_texts(length)
            return None, length
        values = self._scalars(_SCALARS[kind], length)
        return (values, None) if length <= _LONGEST_LIST else (None, length)

    def _scalars(self, code: str, count: int) -> list[int | float | bool]:
        size = struct.calcsize(f"<{code}") * count
        begin, self._at = self._at, self._at + size
        if self._at > len(self._data):
            raise ValueError(size)
        return list(struct.unpack(f"<{count}{code}", self._data[begin : self._at])) if count <= _LONGEST_LIST else []
