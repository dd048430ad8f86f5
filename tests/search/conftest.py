"""Workspaces for searches: real tests in the real sandbox, a script in the model's place."""

from pathlib import Path

import pytest
from promises.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("GREENFINCH_RUNS", str(tmp_path / "runs"))
    root = tmp_path / "project"
    root.mkdir()
    return Workspace(root)
