"""Shared by every test."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The engine runs on anyio; pygls, its main caller, brings asyncio."""
    return "asyncio"
