"""Where models lie on this machine, and which file a setting means.  Cheap: looks at names, sizes and a file's head."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import platformdirs
from attrs import evolve, frozen

from engine.errors import ModelError, ModelMissingError
from engine.models import catalogue
from engine.models.catalogue import ModelEntry
from engine.paths import expanded

_MAGIC = b"GGUF"
_BLOCK = 1 << 20

HashProgress = Callable[[int], None]
"""Called with the number of bytes hashed so far; whatever it raises ends the work."""


@frozen
class ModelFile:
    """A model on this machine.

    Attributes:
        name: the catalogue's name, or the file's without its suffix.
        entry: what the catalogue knows about it; None for a file of the user's own.
        why: what it was chosen for by `auto`; empty where it was named.
    """

    path: Path
    name: str
    entry: ModelEntry | None
    why: str = ""


@frozen
class Verification:
    """What hashing an installed model found.  `reason` says what is wrong, and is empty if nothing is."""

    name: str
    path: Path
    size: int
    sha256: str
    reason: str

    @property
    def ok(self) -> bool:
        return not self.reason


def folder() -> Path:
    """Where pulled models lie, whether or not it exists.  GREENFINCH_MODELS moves it."""
    chosen = os.environ.get("GREENFINCH_MODELS")
    if chosen:
        return expanded(chosen, "GREENFINCH_MODELS").absolute()
    return platformdirs.user_data_path("greenfinch") / "models"


def installed(entry: ModelEntry) -> Path | None:
    """The entry's file if it is here in full length.  Pulled files were hashed; `verify` hashes them again."""
    path = folder() / entry.file
    try:
        return path if path.stat().st_size == entry.size else None
    except OSError:
        return None


def find(name_or_path: str) -> ModelFile:
    """The file that a model's name, or a path to a GGUF file, stands for.

    Raises:
        ModelMissingError: the catalogue knows it, but it was not pulled.
        ModelError: unknown name, no such file, or not a GGUF file.
    """
    if name_or_path.endswith(".gguf") or len(Path(name_or_path).parts) > 1:
        return _file(Path(name_or_path))
    entry = catalogue.load().entry(name_or_path)
    path = installed(entry)
    if path is None:
        raise _missing(entry)
    _check_magic(path, f"Run `greenfinch models verify {entry.name}`.")
    return ModelFile(path, entry.name, entry)


def resolve(setting: str, without: frozenset[str] = frozenset()) -> ModelFile:
    """The model to use for the setting `model`.

    `auto` is explained in `choice`; `why` of the file says what decided.

    Args:
        without: names of models that could not be used: `auto` means a smaller one then, if there is one, else another.

    Raises:
        ModelMissingError: nothing fitting is installed; the remedy is the command that pulls it.
        ModelError: as for `find`.
    """
    if setting != "auto":
        return find(setting)
    known = catalogue.load()
    present = [entry for entry in known.models if entry.name not in without and installed(entry)]
    if not present:
        raise _missing(known.entry(known.default))
    if without:
        least = min(known.entry(name).size for name in without)
        present = [entry for entry in present if entry.size < least] or present
    from engine.models.choice import choose  # reads about the machine: only where there is a choice

    choice = choose(present)
    return evolve(find(choice.entry.name), why=choice.why)


def verify(name: str | None = None, *, progress: HashProgress | None = None) -> tuple[Verification, ...]:
    """Hash one installed model, or all of them, and compare with the catalogue.

    Raises:
        ModelMissingError: the model named is not installed.
        ModelError: it is unknown.
    """
    known = catalogue.load()
    entries = [known.entry(name)] if name else [entry for entry in known.models if (folder() / entry.file).is_file()]
    if name and not (folder() / entries[0].file).is_file():
        raise _missing(entries[0])
    return tuple(_verify(entry, progress) for entry in entries)


def difference(entry: ModelEntry, size: int, sha256: str) -> str:
    """How a file of this size and SHA-256 differs from the entry's, in one line; empty if it does not."""
    if size != entry.size:
        return f"expected {entry.size:,} bytes, got {size:,}"
    if sha256 != entry.sha256:
        return f"expected SHA-256 {entry.sha256}, got {sha256}"
    return ""


def hash_file(path: Path, progress: HashProgress | None = None) -> str:
    """SHA-256 of a file in hexadecimal, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            if progress:
                progress(file.tell())
    return digest.hexdigest()


def _verify(entry: ModelEntry, progress: HashProgress | None) -> Verification:
    path = folder() / entry.file
    try:
        size, sha256 = path.stat().st_size, hash_file(path, progress)
    except OSError as error:
        return Verification(entry.name, path, 0, "", f"cannot be read: {error.strerror}")
    return Verification(entry.name, path, size, sha256, difference(entry, size, sha256))


def _file(path: Path) -> ModelFile:
    with suppress(RuntimeError):  # `~name` of nobody: then there is no such file
        path = path.expanduser()
    if not path.is_file():
        raise ModelError(f"There is no model file {path}.", remedy="`greenfinch models list` shows models to pull.")
    _check_magic(path, "Greenfinch runs models in the GGUF format of llama.cpp.")
    entry = next((e for e in catalogue.load().models if path == folder() / e.file), None)
    return ModelFile(path.resolve(), entry.name if entry else path.stem, entry)


def _check_magic(path: Path, remedy: str) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.", remedy="Check its permissions.") from error
    if head != _MAGIC:
        raise ModelError(f"{path} is not a GGUF file.", remedy=remedy)


def _missing(entry: ModelEntry) -> ModelMissingError:
    return ModelMissingError(
        f"The model {entry.name} is not on this machine.", remedy=f"Run `greenfinch models pull {entry.name}`."
    )
