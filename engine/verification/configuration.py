"""The files that pytest reads its configuration from: one list for all who look for them, or watch them."""

from __future__ import annotations

SECTIONS = {
    "pytest.toml": "[pytest]", ".pytest.toml": "[pytest]", "pytest.ini": "[pytest]", ".pytest.ini": "[pytest]",
    "pyproject.toml": "[tool.pytest", "tox.ini": "[pytest]", "setup.cfg": "[tool:pytest]",
}  # fmt: skip
"""How the section begins that is pytest's, by the file's name; the file that pytest looks for first comes first."""
CONFIG_FILES = tuple(SECTIONS)
DECISIVE = ("conftest.py", "__init__.py", *CONFIG_FILES)
"""What decides in a folder how the tests below it are loaded, whether it is there or not."""
