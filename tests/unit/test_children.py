"""Greenfinch's own processes run its own code, whatever the project that it works on has on its path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.host import kernels
from engine.machine import devices, speed


@pytest.mark.parametrize(
    "start",
    [devices.ask, lambda: speed.measure(1), lambda: kernels._try(Path("no-model.gguf"))],
    ids=["devices", "speed", "trial"],
)
def test_a_projects_own_engine_package_is_not_run(
    start: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text(f"open({str(tmp_path / 'was-run')!r}, 'w').close()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    start()
    assert not (tmp_path / "was-run").exists()
