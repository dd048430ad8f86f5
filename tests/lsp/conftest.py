"""Fixtures for the server's tests; the promises' tests take the same ones from `projects` as a plug-in."""

import pytest

pytest.register_assert_rewrite("lsp.projects", "lsp.editor")

from lsp.projects import project, script  # noqa: E402 - rewritten only if it is registered first

__all__ = ["project", "script"]
