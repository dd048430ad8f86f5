"""What real clients say of themselves, against the profiles of it in tests/lsp/profiles."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

PROFILES = Path(__file__).parents[1] / "lsp" / "profiles"


def record(environment: dict[str, str], folder: Path, server: str) -> Path:
    """Make `greenfinch` on the environment's path one that writes down its client; the file that it will write."""
    out, wrapper = folder / "client.json", folder / "recorded" / "greenfinch"
    recorder = Path(__file__).with_name("recorder.py")
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{recorder}" "{out}" "{server}" "$@"\n')
    wrapper.chmod(0o755)
    environment["PATH"] = f"{wrapper.parent}{os.pathsep}{environment['PATH']}"
    return out


def is_as_recorded(name: str, recorded: Path) -> bool:
    """Whether a client still is as its profile says; GREENFINCH_RECORD=1 writes the profile anew instead."""
    params = json.loads(recorded.read_text("utf-8"))
    said = {part: params.get(part) for part in ("clientInfo", "capabilities")}
    profile = PROFILES / f"{name}.json"
    if os.environ.get("GREENFINCH_RECORD"):
        profile.write_text(json.dumps(said, indent=1, sort_keys=True) + "\n", "utf-8")
    return bool(said == json.loads(profile.read_text("utf-8")))
