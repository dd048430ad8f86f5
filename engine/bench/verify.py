"""What a verdict costs: cold without a sandbox, cold in one, and warm in one, on small projects, in one run.

Each project is written to a folder of its own.  Kinds of runs take turns, so that what else the machine does falls on
all alike; medians are compared.  The cold run without a sandbox is the plain `python -m pytest FILE` of a user.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import anyio
from anyio import to_thread
from attrs import field, frozen

from engine.config import Settings
from engine.errors import GreenfinchError
from engine.machine.cpus import usable_cores
from engine.machine.hardware import load_average, system_name
from engine.tasks import both
from engine.verification.environment import clean_environment
from engine.verification.interpreter import Interpreter
from engine.verification.verifier import Verifier, reach_statement

PAUSE_SECONDS = 0.25  # between runs: candidates come seconds apart, and the next fork is made ready meanwhile
MANY_FILES = 5000
FILE_BYTES = 40_000
TESTS = 10

_BODY = 'return "-".join(re.findall("[a-z0-9]+", text.lower()))'
_SLUG = "import re\n\n\ndef slugify(text):\n    {body}\n"
_LITTLE = "import pytest\n\nfrom {module} import slugify\n\n" + "".join(
    f'\ndef test_{n}(tmp_path):\n    assert slugify("A  B{n}") == "a-b{n}"\n    assert slugify("") == ""\n\n'
    for n in range(TESTS)
)
_NUMBERS = (
    "import numpy\nfrom hypothesis import given, settings, strategies\n\nfrom slug import slugify\n\n\n"
    "@settings(max_examples=10, deadline=None, database=None)\n@given(strategies.integers(0, 999))\n"
    "def test_generated(number):\n    assert slugify(str(number)) == str(number)\n\n"
) + "".join(
    f"\ndef test_{n}():\n    values = numpy.arange({n} + 2)\n"
    '    assert slugify(" ".join(map(str, values))) == "-".join(map(str, values))\n\n'
    for n in range(TESTS - 1)
)


@frozen
class Project:
    """Files by name, with `{body}` where the target's body is."""

    name: str
    files: Mapping[str, str]
    target: str = "slug.py"
    test: str = "test_slug.py"
    needs: tuple[str, ...] = ()
    many: int = 0


# Where Hypothesis is installed, its plug-in makes every cold run of pytest several times as slow: only where tests use
# it is that part of what is measured.
_PLAIN = "[pytest]\naddopts = -p no:hypothesispytest\n"
_SIMPLE = {"slug.py": _SLUG, "test_slug.py": _LITTLE.format(module="slug"), "pytest.ini": _PLAIN}

PROJECTS = (
    Project("imports little", _SIMPLE),
    Project("numpy, hypothesis", {"slug.py": _SLUG, "test_slug.py": _NUMBERS}, needs=("numpy", "hypothesis")),
    Project(
        "src, conftest imports it",
        {
            "src/slugs/__init__.py": "from slugs.slug import slugify\n",
            "src/slugs/slug.py": _SLUG,
            "tests/conftest.py": "import pytest\n\nimport slugs\n\n\n@pytest.fixture\ndef slugify():\n"
            "    return slugs.slugify\n",
            "tests/test_slug.py": _LITTLE.format(module="slugs"),
            "pytest.ini": _PLAIN + "pythonpath = src\n",
        },
        target="src/slugs/slug.py",
        test="tests/test_slug.py",
    ),
    Project(f"{MANY_FILES} files of {FILE_BYTES // 1000} kB", _SIMPLE, many=MANY_FILES),
)


@frozen
class Measured:
    """One project's medians, in seconds of wall time.

    Attributes:
        cold: plain pytest, no sandbox. sandboxed: cold, in the sandbox. warm: from the fork server, in the sandbox.
        warm_at_once: the same, the next one begun as soon as one has ended.
        two: two warm verdicts at the same time, of both together.
        empty: a command that does nothing, in the sandbox; start: the Python that sets it up, which does nothing.
        ready: until the server could be used. place: how far its forks go before they know the text.
        reason: why warm runs were not to be had, or the whole project was left out.
    """

    project: str
    tests: int = TESTS
    cold: float | None = None
    sandboxed: float | None = None
    warm: float | None = None
    warm_at_once: float | None = None
    two: float | None = None
    empty: float | None = None
    start: float | None = None
    ready: float | None = None
    place: str = ""
    reason: str = ""
    runs: Mapping[str, Sequence[float]] = field(factory=dict, repr=False)

    @property
    def preparation(self) -> float | None:
        """What setting the sandbox up and taking it down again costs, over starting the Python that does it."""
        return self.empty - self.start if self.empty and self.start else None

    @property
    def ratio(self) -> float | None:
        """How many times faster a warm sandboxed verdict is than a cold one without a sandbox."""
        return self.cold / self.warm if self.cold and self.warm else None


@frozen
class Machine:
    """What was measured on."""

    cores: int
    system: str
    python: str
    pytest: str
    load: float

    @classmethod
    def of(cls, python: Interpreter) -> Machine:
        version = ".".join(map(str, python.version))
        return cls(usable_cores(), system_name(), version, python.frameworks.get("pytest", ""), load_average())


async def measure(python: Interpreter, repeat: int) -> AsyncGenerator[Measured, None]:
    """Every project in turn.

    Raises:
        GreenfinchError: tests cannot be run here.
    """
    if "pytest" not in python.frameworks:
        raise python.needs_pytest()
    for project in PROJECTS:
        missing = [name for name in project.needs if not await to_thread.run_sync(_has, python, name)]
        if missing:
            yield Measured(project.name, reason=f"this Python does not have {', '.join(missing)}")
            continue
        with tempfile.TemporaryDirectory(prefix="greenfinch-bench-") as folder:
            root = await to_thread.run_sync(_write, project, Path(folder))
            yield await _measure(project, root, python, repeat)


async def _measure(project: Project, root: Path, python: Interpreter, repeat: int) -> Measured:
    target, test = root / project.target, root / project.test
    good = project.files[project.target].format(body=_BODY)
    stub = project.files[project.target].format(body="raise NotImplementedError")
    probed = project.files[project.target].format(body=f"{reach_statement('slugify')}; raise NotImplementedError")
    await to_thread.run_sync(target.write_text, good)
    await to_thread.run_sync(_cold, root, test, python)  # a user's tree has the traces of earlier runs in it
    await to_thread.run_sync(target.write_text, stub)
    async with Verifier(root, python, Settings().updated({"sandbox_least": "limits-only"}, source="bench")) as verifier:
        baseline = await verifier.baseline(
            target_path=target, targets=["slugify"], stubs=["slugify"], instrumented={target: probed}, overlays={},
            nominated=[test],
        )  # fmt: skip
        started = time.perf_counter()
        verifier.keep_warm(baseline, {target: probed}, targets=["slugify"], stubs=["slugify"])
        reason = await verifier.warmed()
        ready = time.perf_counter() - started
        await to_thread.run_sync(target.write_text, good)  # for the run without a sandbox, which sees the disk

        async def cold() -> None:
            await to_thread.run_sync(_cold, root, test, python)

        async def verdict(fresh: bool = False) -> None:
            found = await verifier.run(baseline.judge, {target: good}, time_limit=baseline.time_limit, fresh=fresh)
            if not found.passed:
                raise GreenfinchError(f"A good text did not pass: {found.reason}.")
            if found.warm == fresh:
                raise GreenfinchError(f"A {'fresh' if fresh else 'warm'} run was not one: the figures mean nothing.")

        async def two() -> None:
            await both(verdict, verdict)

        async def start() -> None:
            await anyio.run_process([sys.executable, "-I", "-S", "-c", "pass"])

        kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "cold": cold, "sandboxed": lambda: verdict(True), "empty": lambda: verifier.empty_run({target: good}),
            "start": start,
        }  # fmt: skip
        if not reason:
            kinds |= {"warm": verdict, "two": two}
        runs = await _take_turns(kinds, repeat)
        at_once: list[float] = []
        if not reason:
            await verdict()
            at_once = [await _timed(verdict) for _ in range(repeat)]
        place = verifier.warm_place
    medians = {name: statistics.median(seconds) for name, seconds in runs.items()}
    return Measured(
        project.name, cold=medians["cold"], sandboxed=medians["sandboxed"], warm=medians.get("warm"),
        two=medians.get("two"), empty=medians["empty"], start=medians["start"],
        warm_at_once=statistics.median(at_once) if at_once else None,
        ready=ready if not reason else None, place=place, reason=reason, runs={**runs, "warm_at_once": at_once},
    )  # fmt: skip


async def _take_turns(kinds: Mapping[str, Callable[[], Awaitable[None]]], repeat: int) -> dict[str, list[float]]:
    """Seconds of each run by kind; the first round is not counted."""
    runs: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(repeat + 1):
        for name, kind in kinds.items():
            await anyio.sleep(PAUSE_SECONDS)
            seconds = await _timed(kind)
            if turn:
                runs[name].append(seconds)
    return runs


async def _timed(run: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await run()
    return time.perf_counter() - started


def _write(project: Project, folder: Path) -> Path:
    """Where it lies, links followed."""
    root = folder.resolve()
    for name, text in project.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for number in range(project.many):
        path = root / "data" / f"{number // 100:03}" / f"{number % 100:02}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n".ljust(FILE_BYTES, "."))
    return root


def _cold(root: Path, test: Path, python: Interpreter) -> None:
    environment = clean_environment(python.environment_prefix, python.path)
    del environment["PYTHONDONTWRITEBYTECODE"]  # as a user's own runs, which keep what they compiled
    subprocess.run(  # noqa: S603 - the tests written above
        [python.path, "-m", "pytest", "-q", str(test.relative_to(root))],
        cwd=root, env=environment, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _has(python: Interpreter, name: str) -> bool:
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is None)"
    return subprocess.run([python.path, "-c", code], check=False).returncode == 0  # noqa: S603 - the user's own Python
