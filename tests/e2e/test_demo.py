"""`greenfinch demo`, the first thing that a new user runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from e2e.test_cli import COMMAND, scripted

from engine.cli.demo import _summary, demo
from engine.errors import SandboxError
from engine.verification import confinement

BODIES = {
    "word_counts": '    counts = {}\n    for word in re.findall(r"[a-z\']+", text.lower()):\n'
    "        counts[word] = counts.get(word, 0) + 1\n    return counts\n",
    "roman": "    signs = [(1000, 'M'), (900, 'CM'), (500, 'D'), (400, 'CD'), (100, 'C'), (90, 'XC'), (50, 'L'),\n"
    "             (40, 'XL'), (10, 'X'), (9, 'IX'), (5, 'V'), (4, 'IV'), (1, 'I')]\n    out = ''\n"
    "    for value, sign in signs:\n        while number >= value:\n            out += sign\n"
    "            number -= value\n    return out\n",
    "caesar": "    return ''.join(\n        chr((ord(c) - b + shift) % 26 + b) if c.isascii() and c.isalpha() else c\n"
    "        for c in text for b in [65 if c.isupper() else 97]\n    )\n",
    "truncate": "    return text if len(text) <= width else text[: width - 3] + '...'\n",
}


@pytest.mark.slow
def test_every_stub_is_solved_in_a_copy_that_is_kept(tmp_path: Path, small_model: Path) -> None:
    replies = [{"match": f"def {name}(", "text": text} for name, text in BODIES.items()]
    done = subprocess.run(
        [COMMAND, "demo"],
        cwd=tmp_path,
        env=scripted(tmp_path, *replies) | {"TMPDIR": str(tmp_path), "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 of 4 stubs solved" in done.stdout
    found = re.search(r"The project with its winners: (\S+)", done.stdout)
    assert found is not None
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    assert subprocess.run(tests, cwd=found[1], capture_output=True, timeout=120).returncode == 0


def test_the_summary_names_every_way_in_which_energy_is_known() -> None:
    def outcome(label: str) -> Any:
        return SimpleNamespace(seconds=1.0, tokens=10, candidates=1, energy_wh=0.5, energy_label=label)

    told = _summary([outcome("measured (RAPL)"), outcome("estimated"), outcome("estimated")], 3).plain
    assert told.endswith("1.5 Wh (estimated, measured (RAPL))")


def test_where_nothing_can_be_confined_no_model_is_pulled_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(*_: object) -> tuple[None, str]:
        return None, "it needs Linux"

    monkeypatch.setattr(confinement, "_cell", none)
    monkeypatch.setenv("GREENFINCH_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("GREENFINCH_CONFIG", str(tmp_path / "config.toml"))
    done = CliRunner().invoke(demo, ["--yes"])
    assert isinstance(done.exception, SandboxError)
    assert "sandbox_least" in (done.exception.remedy or "")
    assert not (tmp_path / "models").exists()


def test_an_endpoint_needs_no_model_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENFINCH_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("GREENFINCH_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("GREENFINCH_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GREENFINCH_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("GREENFINCH_LAST_RESORT", "none")
    done = CliRunner().invoke(demo, ["--yes"])
    assert "127.0.0.1:9" in str(done.exception)
    assert not (tmp_path / "models").exists()
