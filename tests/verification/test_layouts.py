"""Whatever the layout, the tests import the candidate's text and never the original.

Each project's file holds a stub when the judge is looked for.  Then the candidate stands only in the run's texts, while
the disk holds an original that would pass where the candidate must not, and fail where it must pass.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import anyio
import pytest
from attrs import evolve, field, frozen
from conftest import Project

from engine.config import Settings
from engine.verification.interpreter import Interpreter, probe
from engine.verification.verifier import Verifier

pytestmark = pytest.mark.anyio

STUB = "def who():\n    raise NotImplementedError\n"
TEST = "from {module} import who\n\ndef test_who():\n    assert who() == 'right', who.__code__.co_filename\n"
UNITTEST = """
    import unittest
    from {module} import who

    class T(unittest.TestCase):
        def test_who(self):
            self.assertEqual(who(), "right", who.__code__.co_filename)
"""
IN_A_CHILD = """
    import subprocess, sys

    def test_who():
        code = "from {module} import who; print(who())"
        assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "right"
"""
SETUPTOOLS = """
    [build-system]
    requires = ["setuptools"]
    build-backend = "setuptools.build_meta"
    [project]
    name = "mxpkg"
    version = "0.1"
"""
FLAT = SETUPTOOLS + '[tool.setuptools]\npackages = ["mxpkg"]\n'
SRC = SETUPTOOLS + '[tool.setuptools.packages.find]\nwhere = ["src"]\n'
NAMESPACE = SRC + "namespaces = true\n"
HATCH = """
    [build-system]
    requires = ["hatchling"]
    build-backend = "hatchling.build"
    [project]
    name = "mxpkg"
    version = "0.1"
    [tool.hatch.build.targets.wheel]
    packages = ["src/mxpkg"]
"""
PYTEST_INI = '\n[tool.pytest.ini_options]\naddopts = "-p no:cacheprovider"\n'


@frozen
class Layout:
    """A project.

    Attributes:
        file: of the target. tests: the file that tests it. others: the rest.
        install: arguments of `pip install` that make an editable installation; None: it is not installed.
        framework: `unittest` leaves pytest out.
    """

    file: str
    tests: str
    others: dict[str, str] = field(factory=dict)
    test: str = TEST
    module: str = "mxpkg.core"
    stub: str = STUB
    install: tuple[str, ...] | None = None
    framework: str = "pytest"
    found: str = "test_who"

    @property
    def files(self) -> dict[str, str]:
        texts = {self.file: self.stub, self.tests: dedent(self.test.format(module=self.module)), **self.others}
        return {name: dedent(text) for name, text in texts.items()}


def flat(**more: object) -> Layout:
    others = {"mxpkg/__init__.py": "", "conftest.py": "", **more.pop("others", {})}  # type: ignore[dict-item]
    return Layout("mxpkg/core.py", "tests/test_a.py", others, **more)  # type: ignore[arg-type]


def src(project: str = SRC, **more: object) -> Layout:
    others = {"src/mxpkg/__init__.py": "", "pyproject.toml": project, **more.pop("others", {})}  # type: ignore[dict-item]
    return Layout("src/mxpkg/core.py", "tests/test_a.py", others, **more)  # type: ignore[arg-type]


def beside(**more: object) -> Layout:
    test = "from .core import who\n\ndef test_who():\n    assert who() == 'right', who.__code__.co_filename\n"
    others = {"mxpkg/__init__.py": "", "pyproject.toml": FLAT, **more.pop("others", {})}  # type: ignore[dict-item]
    return Layout("mxpkg/core.py", "mxpkg/test_core.py", others, test=test, **more)  # type: ignore[arg-type]


LAYOUTS: dict[str, Layout] = {
    "single module": Layout("core.py", "test_core.py", module="core"),
    "flat": flat(),
    "flat without conftest": Layout("mxpkg/core.py", "tests/test_a.py", {"mxpkg/__init__.py": ""}),
    "flat, tests a package": flat(others={"tests/__init__.py": ""}),
    "src, not installed": Layout("src/mxpkg/core.py", "tests/test_a.py", {"src/mxpkg/__init__.py": ""}),
    "src, pythonpath": src(SRC + '[tool.pytest.ini_options]\npythonpath = ["src"]\n'),
    "importlib mode": src(SRC + '[tool.pytest.ini_options]\npythonpath = "src"\naddopts = "--import-mode=importlib"\n'),
    "src, absolute path in conftest": src(
        others={"tests/conftest.py": "import sys\nsys.path.insert(0, {root!r} + '/src')\n"}
    ),
    "conftest imports the package": src(
        SRC + '[tool.pytest.ini_options]\npythonpath = ["src"]\n',
        others={"tests/conftest.py": "import mxpkg.core\nfrom mxpkg.core import who as early\n"},
    ),
    "package imports its module": src(
        SRC + '[tool.pytest.ini_options]\npythonpath = ["src"]\n',
        others={"src/mxpkg/__init__.py": "from mxpkg.core import who\n"}, module="mxpkg",
    ),
    "namespace package": Layout(
        "acme/mx/core.py", "tests/test_a.py", {"acme/mx/__init__.py": "", "conftest.py": ""}, module="acme.mx.core"
    ),
    "tests beside the code": beside(),
    "beside, importlib mode": beside(others={"pytest.ini": "[pytest]\naddopts = --import-mode=importlib\n"}),
    "unittest": flat(others={"tests/__init__.py": ""}, test=UNITTEST, framework="unittest", found="T.test_who"),
    "unittest, tests no package": flat(test=UNITTEST, framework="unittest", found="T.test_who"),
    "subprocess": flat(test=IN_A_CHILD),
    "doctest": flat(
        stub="def who():\n    '''\n    >>> who()\n    'right'\n    '''\n    raise NotImplementedError\n",
        test="", found="mxpkg.core.who",
    ),
    "project in a folder of the workspace": Layout(
        "part/src/mxpkg/core.py", "part/tests/test_a.py",
        {"part/src/mxpkg/__init__.py": "", "part/pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\n'},
    ),
}  # fmt: skip

INSTALLED: dict[str, Layout] = {
    "flat, editable": flat(others={"pyproject.toml": FLAT}, install=()),
    "src, editable": src(install=()),
    "src, editable, strict": src(install=("--config-settings", "editable_mode=strict")),
    "src, editable, compat": src(install=("--config-settings", "editable_mode=compat")),
    "src, hatchling": src(HATCH, install=()),
    "editable, importlib mode": src(
        SRC + '[tool.pytest.ini_options]\naddopts = "--import-mode=importlib"\n', install=()
    ),
    "editable, unittest": src(
        others={"tests/__init__.py": ""}, test=UNITTEST, install=(), framework="unittest", found="T.test_who"
    ),
    "editable, absolute path": src(
        others={"tests/conftest.py": "import sys\nsys.path.insert(0, {root!r} + '/src')\n"}, install=()
    ),
    "editable, subprocess": src(install=(), test=IN_A_CHILD),
    "editable namespace package": Layout(
        "src/acme/mx/core.py", "tests/test_a.py", {"src/acme/mx/__init__.py": "", "pyproject.toml": NAMESPACE},
        module="acme.mx.core", install=(),
    ),
    "editable, tests beside the code": beside(install=()),
    "editable, pyargs": beside(others={"pytest.ini": "[pytest]\naddopts = --pyargs\n"}, install=()),
    "editable, doctest": flat(
        others={"pyproject.toml": FLAT}, install=(), test="", found="mxpkg.core.who",
        stub="def who():\n    '''\n    >>> who()\n    'right'\n    '''\n    raise NotImplementedError\n",
    ),
}  # fmt: skip


async def imports_the_candidate(  # type: ignore[no-untyped-def]
    work, layout: Layout, python: Interpreter, level: str, *, both: bool = True
) -> None:
    """The candidate decides, whatever the disk holds meanwhile: with an older compiled form of it lying about, too.

    `both`: not only a right one over a wrong file, which would not pass if the file were what is tested, but the
    other way round as well.
    """
    settings = Settings().updated({"sandbox_least": "limits-only"}, source="test")
    async with Verifier(work.root, python, settings, level=level) as verifier:
        found = await work.baseline(verifier, layout.file, ["who"])
        (test,) = found.judge.tests
        assert test.endswith(layout.found), test
        wrong, right = (
            layout.stub.replace("raise NotImplementedError", f"return {word!r}") for word in ("wrong", "right")
        )
        for disk, candidate in ((wrong, right), (right, wrong))[: 1 + both]:
            (work.root / layout.file).write_text(disk)
            compile_beside(python, work.root / layout.file)
            result = await work.verdict(verifier, found, layout.file, candidate)
            assert result.passed is (candidate == right), result
            if candidate == wrong:
                assert "wrong" in result.results[0].detail, result


def compile_beside(python: Interpreter, file: Path) -> None:
    """Leaves a `.pyc` of what is on the disk, as the user's own run of the tests would have done."""
    subprocess.run([python.path, "-m", "py_compile", file], check=True)


def written(project, layout: Layout):  # type: ignore[no-untyped-def]
    work = project({})
    root = str(work.root)
    for name, text in layout.files.items():
        if text or not name.endswith("test_a.py"):
            work.write(name, text.replace("{root!r}", repr(root)))
    return work


def chosen(layout: Layout, python: Interpreter) -> Interpreter:
    return evolve(python, frameworks={"unittest": "3"}) if layout.framework == "unittest" else python


AT_ONCE = 2
QUICK = ("flat", "unittest")


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in LAYOUTS])
async def test_layout(project, python, levels, name):
    work = written(project, LAYOUTS[name])
    await imports_the_candidate(work, LAYOUTS[name], chosen(LAYOUTS[name], python), levels[0])


def interpreters() -> Iterator[Path]:
    """One CPython of every version from 3.9 on that can be found: this one, on PATH, and those of version managers."""
    places = [Path(sys.executable)]
    places += [Path(found) for minor in range(9, 20) if (found := shutil.which(f"python3.{minor}"))]
    for pattern in (".pyenv/versions/3.*/bin/python", ".local/share/uv/python/cpython-3*/bin/python3"):
        places += sorted(Path.home().glob(pattern))
    seen: set[tuple[int, ...]] = set()
    for place in places:
        told = subprocess.run([place, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True)
        version = tuple(map(int, told.stdout.split())) if told.returncode == 0 else ()
        if version >= (3, 9) and version not in seen:
            seen.add(version)
            yield place


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> list[Interpreter]:
    """A virtual environment with pytest and build back ends for every CPython of this machine."""

    def make(python: Path) -> Interpreter:
        folder = tmp_path_factory.mktemp("python") / ".venv"
        subprocess.run([python, "-m", "venv", folder], check=True)
        own = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        needed = ["pytest", "setuptools>=64", "hatchling", "editables", "wheel"]
        subprocess.run([own, "-m", "pip", "install", "-q", "--disable-pip-version-check", *needed], check=True)
        return probe(own, "setting")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = list(pool.map(make, interpreters()))
    print("on", ", ".join(".".join(map(str, each.version)) for each in made))
    return made


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [*LAYOUTS, *INSTALLED])
async def test_layout_on_every_python(tmp_path, environments, levels, name):
    layout = {**LAYOUTS, **INSTALLED}[name]
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def on(number: int, python: Interpreter) -> None:
        work = written(lambda files: Project(tmp_path / str(number), files), layout)
        tried = levels if number == 0 else levels[:1]  # how a weaker level finds files does not depend on the Python
        if layout.install is not None:
            install = ["install", "-q", "--no-build-isolation", "--no-deps", *layout.install, "-e", str(work.root)]
            await anyio.run_process([str(python.path), "-m", "pip", *install], cwd=work.root)
        try:
            for level in tried:
                work.write(layout.file, layout.stub)
                await imports_the_candidate(work, layout, chosen(layout, python), level, both=number == 0)
        finally:
            if layout.install is not None:
                await anyio.run_process([str(python.path), "-m", "pip", "uninstall", "-q", "-y", "mxpkg"])
        print(f"{name}: {'.'.join(map(str, python.version))} at {', '.join(tried)}")

    async def in_turn(number: int, python: Interpreter) -> None:
        async with limiter:
            await on(number, python)

    async with anyio.create_task_group() as tasks:
        for number, python in enumerate(environments):
            tasks.start_soon(in_turn, number, python)


@pytest.mark.slow
async def test_a_project_of_five_thousand_files(project, opened, levels):
    filler = "value = 1\n" * 200
    files = {f"src/mxpkg/part{n % 100}/module{n}.py": filler for n in range(4_990)}
    work = project({**files, **src(SRC + '[tool.pytest.ini_options]\npythonpath = ["src"]\n').files})
    async with opened(work, levels[0]) as verifier:
        found = await work.baseline(verifier, "src/mxpkg/core.py", ["who"])
        started = time.perf_counter()
        good = await work.verdict(
            verifier, found, "src/mxpkg/core.py", STUB.replace("raise NotImplementedError", "return 'right'")
        )
        seconds = time.perf_counter() - started
    assert good.passed, good
    print(f"a verdict in a project of {len(files)} files: {seconds:.2f} s")
