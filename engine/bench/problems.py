"""Problem sets: JSON Lines (may be gzipped), one problem a line."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen

from engine.errors import ConfigError


@frozen
class Problem:
    """A stub module and its tests.

    Attributes:
        module_path, module_text: the stub module, relative to the project's folder.
        test_name, test_text: the visible tests, which lie beside the module; empty if they are its examples.
        hidden_test_text: the truth; empty if there is none.
        entry_points: the names that are stubbed.
        extra_files: more files of the project, by relative path.
        solution_text: the module with a reference solution in it; empty if there is none.
    """

    id: str
    module_path: str
    module_text: str
    test_name: str
    test_text: str
    hidden_test_text: str = ""
    entry_points: tuple[str, ...] = ()
    extra_files: dict[str, str] = field(factory=dict)
    solution_text: str = ""

    @property
    def digest(self) -> str:
        """Of all that it is made of."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def write(self, folder: Path) -> Path:
        """Lay the project out under `folder`; the module's path is returned.  The hidden tests are left out."""
        files = {**self.extra_files, self.module_path: self.module_text}
        if self.test_name:
            files[self.test_name] = self.test_text
        for name, text in files.items():
            file = (folder / name).resolve()
            if not file.is_relative_to(folder.resolve()):
                raise ConfigError(f"Problem {self.id} names a file outside its folder: {name!r}.")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        return folder / self.module_path


def load_problems(path: Path) -> list[Problem]:
    """The problems of a file.

    Raises:
        ConfigError: the file is not there, or a line of it is no problem; the line is named.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            problems = [_problem(json.loads(line)) for line in lines if line.strip()]
    except (OSError, EOFError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", remedy="Name a .jsonl or .jsonl.gz file.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is not a problem set: {error!r}.", remedy="One JSON object a line.") from error
    twice = [name for name, count in Counter(problem.id for problem in problems).items() if count > 1]
    if twice:
        raise ConfigError(f"{path} has several problems {twice[0]!r}.", remedy="Give each an id of its own.")
    return problems


def _problem(data: dict[str, Any]) -> Problem:
    return Problem(
        id=data["id"],
        module_path=data["module_path"],
        module_text=data["prompt_file_text"],
        test_name=data["test_file_name"],
        test_text=data["test_file_text"],
        hidden_test_text=data.get("hidden_test_file_text") or "",
        entry_points=tuple(data.get("entry_points") or [data["entry_point"]]),
        extra_files=data.get("extra_files") or {},
        solution_text=data.get("canonical_solution_text") or "",
    )
