"""Shared by every test."""

import os
from pathlib import Path

import hypothesis
import pytest

from engine.errors import ModelMissingError
from engine.models import store
from engine.models.pull import pull

# How long inputs take to be made says something of the machine's load alone.
hypothesis.settings.register_profile(
    "greenfinch", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("greenfinch")

SMALL_MODEL = "qwen2.5-coder-0.5b"

# The tests' own Python often stands in for the user's.  Its pytest has plug-ins that take a second to load and that
# no project under test here uses.
os.environ.setdefault("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture(scope="session")
def small_model() -> Path:
    """The real small model's file; pulled once if it is not there."""
    try:
        return store.resolve(SMALL_MODEL).path
    except ModelMissingError:
        return pull(SMALL_MODEL).path


@pytest.fixture
def anyio_backend() -> str:
    """The engine runs on anyio; pygls, its main caller, brings asyncio."""
    return "asyncio"
