"""Shared by every test."""

import os

import pytest

# The tests' own Python often stands in for the user's.  Its pytest has plug-ins that take a second to load and that
# no project under test here uses.
os.environ.setdefault("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def anyio_backend() -> str:
    """The engine runs on anyio; pygls, its main caller, brings asyncio."""
    return "asyncio"
