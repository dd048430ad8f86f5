"""The page of a run in a real browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from promises.workspace import BAD, GOOD, Workspace

LEFT_OUT = Path(os.environ.get("GREENFINCH_EDITORS") or Path.home() / ".cache/greenfinch-editors") / "left-out"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture
def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found and LEFT_OUT.is_file() and "vscode" in LEFT_OUT.read_text("utf-8").split():
        pytest.skip("the browser's package source was down, and .ci/editors said so")
    assert found, "no browser: `.ci/editors vscode` installs Chromium"
    return found


@pytest.mark.slow
def test_a_real_browser_shows_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: str) -> None:
    monkeypatch.setenv("GREENFINCH_RUNS", str(tmp_path / "runs"))
    (tmp_path / "project").mkdir()
    assert anyio.run(Workspace(tmp_path / "project").implement, BAD, GOOD).passed
    page, picture = tmp_path / "a.html", tmp_path / "a.png"
    command = [sys.executable, "-P", "-c", "from engine.cli.runs import runs; runs()", "report", "last", "--out", page]
    subprocess.run(command, check=True, capture_output=True)

    def browse(*options: str) -> str:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        shown = subprocess.run(
            [*command, "--window-size=1000,1400", *options, page.as_uri()],
            capture_output=True, text=True, check=True, timeout=120, env=dict(os.environ, HOME=str(tmp_path)),
        )  # fmt: skip
        return shown.stdout

    seen = browse("--dump-dom")
    assert 'class="badge passed"' in seen and seen.count("<rect") >= 5 and seen.count('class="ok"') >= 2
    browse(f"--screenshot={picture}")
    assert picture.stat().st_size > 20_000, "a page with nothing on it is smaller"
