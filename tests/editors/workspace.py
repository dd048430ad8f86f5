"""What the tests of all editors share: where editors lie, the server's command, and whether a text passes the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from engine.models import store

SERVER = str(Path(sys.executable).with_name("greenfinch"))


def home_of(editor: str) -> Path:
    """The folder that `.ci/editors` installs an editor in."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("GREENFINCH_EDITORS") or caches / "greenfinch-editors") / editor


def server_environment(private: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, with private folders, the tests' Python in front, and the models that are pulled."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GREENFINCH_")}
    return {**kept, "GREENFINCH_MODELS": str(store.folder()), **private, "PATH": path}


def passes_tests(project: Path, texts: Mapping[str, str], *arguments: str) -> bool:
    """Whether the user's own test run passes on a copy of the project in which these files have these texts."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "copy"
        shutil.copytree(project, copy)
        for name, text in texts.items():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(text.encode())
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        return subprocess.run(command, cwd=copy, capture_output=True).returncode == 0
