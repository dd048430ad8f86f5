"""What the doctor says of endpoints: it asks them, and looks for the model that would stand in."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_server import ChatServer

from engine.config import Settings
from engine.doctor import Finding, examine
from engine.generation.local import LocalGenerator

pytestmark = pytest.mark.anyio

NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    async def prepare(_self: LocalGenerator) -> None:
        raise AssertionError("the doctor starts no host")

    monkeypatch.setattr(LocalGenerator, "prepare", prepare)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pulled models would lie."""
    monkeypatch.setenv("GREENFINCH_MODELS", str(tmp_path / "models"))
    return tmp_path


async def found(root: Path, settings: Settings) -> dict[str, Finding]:
    findings = await examine(root, settings, trusted=False)  # which leaves out what has nothing to do with models
    return {finding.what: finding for finding in findings}


async def test_an_endpoint_is_asked_for_its_model(server: ChatServer, models: Path) -> None:
    told = await found(models, Settings(endpoint=server.url))
    assert told["model"] == Finding("model", True, f"first at {server.url[7:-3]}") and "last resort" not in told
    lacking = (await found(models, Settings(endpoint=server.url, model="third")))["model"]
    assert not lacking.ok and "has no model 'third'" in lacking.found and "It offers: first" in lacking.remedy


async def test_an_endpoint_that_is_not_there_is_missing_unless_something_stands_in(
    server: ChatServer, models: Path
) -> None:
    alone = (await found(models, Settings(endpoint=NOWHERE)))["model"]
    assert not alone.ok and "127.0.0.1:9 cannot be reached" in alone.found and "server runs" in alone.remedy
    two = (await found(models, Settings(endpoints=(NOWHERE, server.url), last_resort="none")))["model"]
    assert two.ok and two.found.startswith("first at ") and "127.0.0.1:9 cannot be reached" in two.found and two.remedy


async def test_the_last_resort_is_looked_for(models: Path) -> None:
    told = await found(models, Settings(endpoints=(NOWHERE,)))
    assert not told["model"].ok
    assert told["last resort"].ok and "greenfinch models pull" in told["last resort"].remedy
    file = models / "mine.gguf"
    file.write_bytes(b"GGUF")
    told = await found(models, Settings(endpoints=(NOWHERE,), model=str(file)))
    assert told["model"].ok and told["model"].remedy and told["last resort"].found == f"mine ({file})"


async def test_an_endpoint_that_is_mistyped_is_told_as_such(models: Path) -> None:
    told = (await found(models, Settings(endpoint="http://gpu-box:800O/v1")))["model"]
    assert not told.ok and "is not a URL" in told.found
