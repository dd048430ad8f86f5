"""The stream of events, and a reader that leaves it early."""

import pytest

from engine.config import Settings
from engine.generation.scripted import Reply, ScriptedGenerator
from engine.session import Engine, ImplementRequest


@pytest.mark.anyio
async def test_a_readers_own_error_comes_out_as_it_is(tmp_path):
    (tmp_path / "a.py").write_text("def f():\n    pass\n")
    engine = Engine(Settings(), generator=ScriptedGenerator((Reply("    return 1\n"),)))
    with pytest.raises(ValueError, match="the reader's own"):
        async with engine.implement(ImplementRequest(tmp_path, tmp_path / "a.py", "f")) as events:
            async for _ in events:
                raise ValueError("the reader's own")


@pytest.mark.anyio
async def test_leaving_at_once_is_no_error(tmp_path):
    (tmp_path / "a.py").write_text("def f():\n    pass\n")
    engine = Engine(Settings(), generator=ScriptedGenerator((Reply("    return 1\n"),)))
    async with engine.implement(ImplementRequest(tmp_path, tmp_path / "a.py", "f")):
        pass
