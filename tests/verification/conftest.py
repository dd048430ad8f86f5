"""Small projects on disk, and the judge found for one of their functions by real runs of their tests."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent

import anyio
import pytest

from engine.config import SANDBOX_LEVELS, Settings
from engine.verification import namespaces, restricted
from engine.verification.base import Baseline, Verdict
from engine.verification.interpreter import Interpreter, probe
from engine.verification.nominate import nomination
from engine.verification.verifier import Verifier, reach_statement


def instrumented(text: str, names: Iterable[str]) -> str:
    """`text` with the probe first in each function of these (qualified) names, behind its docstring."""
    for name in names:
        line = f"    {reach_statement(name)}\n"
        pattern = rf"^( *)((?:async )?def {name.rpartition('.')[2]}\(.*:)\n(?: *'''[^']*(?:'[^']+)*'''\n)?"
        text, count = re.subn(pattern, lambda found: found[0] + found[1] + line, text, flags=re.M)  # noqa: B023
        assert count, f"no function {name}"
    return text


class Project:
    """A workspace: its files, and how its tests are judged."""

    def __init__(self, root: Path, files: Mapping[str, str]) -> None:
        self.root = root
        for name, text in files.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"))

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def snapshot(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}

    async def baseline(
        self, verifier: Verifier, file: str, targets: list[str], stubs: Iterable[str] = (),
        buffers: Mapping[str, str] = {},
    ) -> Baseline:  # fmt: skip
        texts = {self.root / name: dedent(text).lstrip("\n") for name, text in buffers.items()}
        path = self.root / file
        text = texts.get(path) or self.read(file)
        return await verifier.baseline(
            target_path=path,
            targets=targets,
            stubs=[*targets, *stubs],
            instrumented={path: instrumented(text, [*targets, *stubs])},
            overlays=texts,
            nominated=nomination(self.root, texts, path, targets).files,
        )

    async def verdict(self, verifier: Verifier, baseline: Baseline, file: str, text: str) -> Verdict:
        overlays = {self.root / file: dedent(text).lstrip("\n")}
        return await verifier.run(baseline.judge, overlays, time_limit=baseline.time_limit)


@pytest.fixture
def project(tmp_path: Path) -> Callable[[Mapping[str, str]], Project]:
    return lambda files: Project(tmp_path / "work", files)


@pytest.fixture(scope="session")
def python() -> Interpreter:
    """The Python of these tests stands in for the user's."""
    return probe(Path(sys.executable), "setting")


@pytest.fixture(scope="session")
def levels(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The kinds of cells that work on this machine."""
    root = tmp_path_factory.mktemp("probe")
    reasons = {"full": anyio.run(namespaces.why_not, root)[0], "partial": anyio.run(restricted.why_not, root)}
    return [level for level in SANDBOX_LEVELS if not reasons.get(level)]


@pytest.fixture(params=["full", *(pytest.param(each, marks=pytest.mark.slow) for each in SANDBOX_LEVELS[1:])])
def level(request: pytest.FixtureRequest, levels: list[str]) -> str:
    if request.param not in levels:
        pytest.skip(f"the level {request.param} does not work on this machine")
    return str(request.param)


@pytest.fixture(autouse=True)
def no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plug-ins installed for these tests are not the small projects' own, and take a second to load."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def opened(python: Interpreter):  # type: ignore[no-untyped-def]
    @asynccontextmanager
    async def open_verifier(project: Project, level: str = "", **settings: object) -> AsyncIterator[Verifier]:
        chosen = Settings().updated({"test_timeout_seconds": 5.0, **settings}, source="test")
        async with Verifier(project.root, python, chosen, level=level) as verifier:
            yield verifier

    return open_verifier
