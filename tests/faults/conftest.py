"""Fixtures of the faults' tests: the server's small project, and the script that stands in for the model."""

import pytest

pytest.register_assert_rewrite("faults.wire", "lsp.projects")

from lsp.projects import project, script  # noqa: E402 - rewritten only if it is registered first

__all__ = ["project", "script"]
