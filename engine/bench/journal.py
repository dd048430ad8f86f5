"""Results in a folder, a line of JSON each, so that a bench that was broken off goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs
import cattrs

from engine.errors import ConfigError

R = TypeVar("R", bound=attrs.AttrsInstance)
_NAME = "results.jsonl"
_SETTINGS = "settings.json"


class Journal(Generic[R]):
    """Of results of one kind.

    Args:
        folder: made if it is not there; None: nothing is kept.
    """

    def __init__(self, folder: Path | None, kind: type[R]) -> None:
        self._file = folder / _NAME if folder is not None else None
        self._kind = kind
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def earlier(self) -> list[R]:
        """What a broken-off bench has left; its last line may be half a line, which is dropped."""
        if self._file is None or not self._file.is_file():
            return []
        lines = self._file.read_text("utf-8").splitlines(keepends=True)
        if lines and not lines[-1].endswith("\n"):
            lines.pop()
            self._file.write_text("".join(lines), "utf-8")
        return [cattrs.structure(json.loads(line), self._kind) for line in lines]

    def stands_for(self, settings: Mapping[str, object]) -> None:
        """Say what the results depend on.

        Raises:
            ConfigError: the folder holds results of other settings.
        """
        if self._file is None:
            return
        kept = self._file.with_name(_SETTINGS)
        now: dict[str, Any] = json.loads(json.dumps(settings))
        begun = kept.is_file() and self._file.is_file() and self._file.stat().st_size > 0
        then: dict[str, Any] = json.loads(kept.read_text("utf-8")) if begun else {}
        changed = [f"{name} {then[name]!r}" for name in now if name in then and then[name] != now[name]]
        if changed:
            raise ConfigError(
                f"{self._file.parent} holds results of other settings: {', '.join(changed)}.",
                remedy="Name another folder, or give the same settings.",
            )
        kept.write_text(json.dumps(now, indent=1) + "\n", "utf-8")

    @staticmethod
    def line(result: R) -> str:
        """A result as a line."""
        return json.dumps(attrs.asdict(result))

    def add(self, result: R) -> str:
        """Keep a result; returns its line."""
        line = self.line(result)
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        return line
