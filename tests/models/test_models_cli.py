"""`greenfinch models`: what a script and a person see of it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_model import CONTENT, Hub

from engine.cli.models import models
from engine.errors import DownloadError
from engine.models.catalogue import ModelEntry


def test_list_as_json_is_one_model_a_line(folder: Path) -> None:
    lines = CliRunner().invoke(models, ["list", "--json"]).stdout.splitlines()
    first = json.loads(lines[0])
    assert len(lines) == 5
    assert (first["name"], first["default"], first["installed"]) == ("qwen2.5-coder-0.5b", True, False)
    assert first["licence"] == "Apache-2.0" and first["size"] == 491_400_064


def test_list_marks_what_is_installed_and_the_default(folder: Path, entry: ModelEntry) -> None:
    folder.mkdir()
    (folder / entry.file).write_bytes(CONTENT)
    shown = CliRunner().invoke(models, ["list"]).stdout
    assert "small" in shown and "CC0-1.0" in shown and "yes  (default)" in shown


@pytest.mark.usefixtures("index")
def test_pull_shows_the_licence_first_and_the_path_last(folder: Path, entry: ModelEntry, hub: Hub) -> None:
    done = CliRunner().invoke(models, ["pull", "small"])
    lines = done.stderr.splitlines()
    assert done.exit_code == 0 and done.stdout == ""
    assert "Licence: CC0-1.0" in lines[0]
    assert lines[-1] == f"small is verified and ready: {folder / entry.file}"


@pytest.mark.usefixtures("index", "no_hub", "folder", "entry")
def test_a_pull_without_any_source_raises_what_the_command_line_prints() -> None:
    error = CliRunner().invoke(models, ["pull", "small"]).exception
    assert isinstance(error, DownloadError)
    assert "the Hugging Face hub: " in error.what and "the package index: " in error.what and error.remedy


def test_verify_fails_on_a_damaged_file_and_tells_the_remedy(folder: Path, entry: ModelEntry) -> None:
    folder.mkdir()
    (folder / entry.file).write_bytes(CONTENT)
    assert CliRunner().invoke(models, ["verify"]).exit_code == 0
    (folder / entry.file).write_bytes(CONTENT[:-1] + b"!")
    done = CliRunner().invoke(models, ["verify", "--json", "small"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["ok"] is False
    assert "greenfinch models pull small" in done.stderr


def test_ctrl_c_ends_a_pull_at_once_and_keeps_what_arrived(folder: Path, hub: Hub) -> None:
    hub.size, hub.etag = 491_400_064, "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"
    hub.stall = True  # after all it has, which is less than the real model
    arrived = folder / ".downloads" / "qwen2.5-coder-0.5b" / "from-hub.partial"
    command = [sys.executable, "-c", "from engine.cli.models import models; models()", "pull", "qwen2.5-coder-0.5b"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job ignores it
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while not (arrived.exists() and arrived.stat().st_size > 1_000_000) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    _, shown = process.communicate(timeout=10)
    assert time.monotonic() - asked < 1
    assert process.returncode == 130
    assert "`greenfinch models pull qwen2.5-coder-0.5b` goes on from there" in shown
    assert arrived.stat().st_size > 1_000_000
