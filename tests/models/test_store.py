"""Which file a model's name, a path or the setting `auto` means."""

import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve
from small_model import CONTENT, NAME

from engine.errors import ModelError, ModelMissingError
from engine.models import catalogue, store
from engine.models.catalogue import Catalogue, ModelEntry


@pytest.fixture
def three(folder: Path, entry: ModelEntry, monkeypatch: pytest.MonkeyPatch) -> tuple[ModelEntry, ...]:
    """Three models, the middle one of the highest rank, the smallest the default; none is installed."""
    entries = tuple(
        evolve(entry, name=name, file=f"{name}.gguf", size=size, rank=rank)
        for name, size, rank in (("little", 100, 1), ("middle", 200, 2), ("large", 300, 0))
    )
    monkeypatch.setattr(catalogue, "load", lambda: Catalogue("little", entries))
    folder.mkdir()
    return entries


def install(entry: ModelEntry) -> Path:
    path = store.folder() / entry.file
    path.write_bytes(CONTENT[: entry.size])
    return path


def test_a_name_is_found_once_it_is_installed(three: tuple[ModelEntry, ...]) -> None:
    path = install(three[2])
    assert store.find("large") == store.ModelFile(path, "large", three[2])


def test_a_model_that_is_not_here_names_the_command_that_pulls_it(three: tuple[ModelEntry, ...]) -> None:
    with pytest.raises(ModelMissingError) as missing:
        store.find("large")
    assert missing.value.remedy == "Run `greenfinch models pull large`."


def test_a_file_of_another_length_is_not_the_model(three: tuple[ModelEntry, ...]) -> None:
    install(evolve(three[0], size=99))
    assert store.installed(three[0]) is None
    with pytest.raises(ModelMissingError):
        store.find("little")


def test_an_unknown_name_gets_the_nearest_one(three: tuple[ModelEntry, ...]) -> None:
    with pytest.raises(ModelError, match=r"Did you mean middle\?"):
        store.find("midle")


def test_auto_takes_the_installed_model_of_the_highest_rank(three: tuple[ModelEntry, ...]) -> None:
    install(three[2])
    assert store.resolve("auto").name == "large"  # better than nothing
    install(three[0])
    assert store.resolve("auto").name == "little"
    install(three[1])
    assert store.resolve("auto").name == "middle"


def test_auto_asks_for_the_default_where_nothing_is_installed(three: tuple[ModelEntry, ...]) -> None:
    with pytest.raises(ModelMissingError, match="models pull little"):
        store.resolve("auto")


def test_a_gguf_file_of_the_users_own_is_used_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(CONTENT)
    assert store.resolve(str(path)) == store.ModelFile(path, "mine", None)


def test_a_path_to_nothing_or_to_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no model file"):
        store.find(str(tmp_path / "absent.gguf"))
    (tmp_path / "text.gguf").write_text("hello")
    with pytest.raises(ModelError, match="is not a GGUF file"):
        store.find(str(tmp_path / "text.gguf"))


def test_verify_tells_a_whole_file_from_a_damaged_one(folder: Path, entry: ModelEntry) -> None:
    folder.mkdir()
    path = folder / entry.file
    path.write_bytes(CONTENT)
    assert [(found.name, found.ok) for found in store.verify()] == [(NAME, True)]
    path.write_bytes(CONTENT[:-1] + b"!")
    (found,) = store.verify(NAME)
    assert not found.ok and f"expected SHA-256 {entry.sha256}, got {found.sha256}" == found.reason
    path.write_bytes(CONTENT[:-1])
    assert store.verify(NAME)[0].reason == "expected 3,000,004 bytes, got 3,000,003"


def test_verify_of_a_model_that_is_not_here_says_so(folder: Path, entry: ModelEntry) -> None:
    assert store.verify() == ()
    with pytest.raises(ModelMissingError):
        store.verify(NAME)


def test_asking_for_models_loads_no_model_code() -> None:
    heavy = {"llama_cpp", "numpy", "huggingface_hub", "httpx", "rich"}
    code = f"import engine.cli.models, engine.models.pull, sys; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_home_of_somebody_who_does_not_exist_holds_no_model() -> None:
    with pytest.raises(ModelError, match="no model file ~nobody-here/"):
        store.find("~nobody-here/x.gguf")
