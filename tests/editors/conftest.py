"""Whether an editor is there, a home of its own for it, and a loud word where it is not.

All tests of this folder are slow.  With GREENFINCH_EDITORS_REQUIRED=1 (set in CI) an editor that is missing fails its
tests, unless `.ci/editors` has left it out because a package source was down.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.register_assert_rewrite("lsp.projects", "editors.workspace")

from editors.workspace import home_of  # noqa: E402 - rewritten only if it is registered first
from lsp.projects import project, script  # noqa: E402

__all__ = ["project", "script"]
_HERE = Path(__file__).parent
_missing: Counter[str] = Counter()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def editor_home() -> Callable[[str], Path]:
    """Gives the folder that an editor is installed in; skips the test where it is not installed."""

    def find(name: str) -> Path:
        folder = home_of(name)
        if any(folder.glob("installed-*")):
            return folder
        left_out = folder.parent / "left-out"
        allowed = left_out.is_file() and name in left_out.read_text().split()
        if os.environ.get("GREENFINCH_EDITORS_REQUIRED") and not allowed:
            pytest.fail(f"{name} is not installed in {folder}, and .ci/editors did not leave it out")
        _missing[name] += 1
        pytest.skip(f"{name} is not installed: run .ci/editors {name}")

    return find


@pytest.fixture
def private_home(tmp_path: Path) -> dict[str, str]:
    """Variables of an environment in which an editor and the server find a fresh user's folders."""
    home = tmp_path / "home"
    folders = {
        "HOME": home,
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_DATA_HOME": home / ".local/share",
        "XDG_STATE_HOME": home / ".local/state",
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_RUNTIME_DIR": home / "run",
    }
    for folder in folders.values():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {name: str(folder) for name, folder in folders.items()}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, count in sorted(_missing.items()):
        line = f"NOT TESTED: {name} is not installed, {count} tests skipped.  `.ci/editors {name}` installs it."
        terminalreporter.write_line(line, red=True, bold=True)
