"""A small workspace, and runs on it through the engine's own door with a script in the model's place."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.config import Settings
from engine.events import Event, Outcome
from engine.generation.scripted import Reply, ScriptedGenerator
from engine.session import Engine, ImplementRequest

MODULE = '''"""Words."""


def slugify(title):
    """Lower-case words joined by hyphens."""
    raise NotImplementedError
'''

TESTS = """from words import slugify


def test_words():
    assert slugify("Hello World") == "hello-world"


def test_nothing():
    assert slugify("") == ""
"""

GOOD = '    return "-".join(title.lower().split())\n'
BAD = "    return title.lower()\n"


class Workspace:
    """Files, and runs on them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.module = root / "words.py"
        self.buffers: dict[Path, str] = {}
        self.write("words.py", MODULE)
        self.write("test_words.py", TESTS)
        self.write("pyproject.toml", "[project]\nname = 'words'\nversion = '1'\n")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def hashes(self) -> dict[str, str]:
        """Every file and folder below the root, with the hash of what it holds."""
        return {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "dir"
            for path in self.root.rglob("*")
        }

    def engine(self, *replies: str | Mapping[str, Any], **settings: Any) -> Engine:
        script = tuple(Reply(text=r) if isinstance(r, str) else Reply(**r) for r in replies)
        options = {"python": sys.executable, **settings}
        return Engine(Settings().updated(options, source="test"), generator=ScriptedGenerator(script))

    def request(self, qualname: str = "slugify") -> ImplementRequest:
        return ImplementRequest(self.root, self.module, qualname, buffers=lambda: self.buffers)

    async def implement(
        self, *replies: str | Mapping[str, Any], on_event: Callable[[Event], None] = lambda _: None, **settings: Any
    ) -> Outcome:
        async with self.engine(*replies, **settings).implement(self.request()) as events:
            async for event in events:
                on_event(event)
                outcome = event
        assert isinstance(outcome, Outcome)
        return outcome
