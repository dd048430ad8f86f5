"""Fixtures of the promises."""

import pytest
from promises.workspace import Workspace


@pytest.fixture(params=["full", *(pytest.param(each, marks=pytest.mark.slow) for each in ("partial", "limits-only"))])
def sandbox(request, monkeypatch) -> str:
    """All kinds of confinement; see `engine.verification.cell`."""
    from engine.verification import verifier

    opened = verifier.open_cell
    monkeypatch.setattr(verifier, "open_cell", lambda root, *_, **rest: opened(root, request.param, **rest))
    return str(request.param)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "project")
