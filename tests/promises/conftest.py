"""Fixtures of the promises."""

import pytest
from promises.workspace import Workspace


@pytest.fixture(params=["namespaces", "copy"])
def sandbox(request, monkeypatch) -> str:
    """Both kinds of confinement; see `engine.verification.cell`."""
    from engine.verification import verifier

    opened = verifier.open_cell
    monkeypatch.setattr(verifier, "open_cell", lambda root, _level="": opened(root, request.param))
    return str(request.param)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "project")
