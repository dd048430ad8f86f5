"""Projects configured as people configure them: the judge is found, the right text passes, the wrong one does not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from attrs import frozen

from engine.config import Settings
from engine.verification.interpreter import Interpreter, probe
from engine.verification.verifier import Verifier

pytestmark = pytest.mark.anyio

STUB = "def double(n):\n    raise NotImplementedError\n"
GOOD = "def double(n):\n    return n + n\n"
BAD = "def double(n):\n    return n + 2\n"  # right for 2 alone
PLUGINS = (
    "pytest", "pytest-xdist", "pytest-cov", "pytest-asyncio", "anyio", "hypothesis", "pytest-randomly",
    "pytest-timeout", "pytest-mock", "pytest-rerunfailures",
)  # fmt: skip

PLAIN = """
    import pytest
    from lib import double

    def test_two():
        assert double(2) == 4

    def test_three():
        assert double(3) == 6
"""


@frozen
class Case:
    """A project, and the tests that must be found to judge `double` in it (ids behind the file's name)."""

    files: Mapping[str, str]
    tests: tuple[str, ...]


def ini(lines: str, tests: str = PLAIN, names: tuple[str, ...] = ("test_two", "test_three"), **more: str) -> Case:
    return Case({"pytest.ini": f"[pytest]\n{lines}\n", "test_lib.py": tests, **more}, names)


def code(tests: str, *names: str, **more: str) -> Case:
    return Case({"test_lib.py": tests, **more}, names)


CONFIGURED: dict[str, Case] = {
    "-x": ini("addopts = -x"),
    "--maxfail": ini("addopts = --maxfail=1"),
    "-W error": ini("addopts = -W error\nfilterwarnings = error"),
    "--strict-markers": ini("addopts = --strict-markers --strict-config"),
    "strict = true": ini("strict = true"),
    "-p no:": ini("addopts = -p no:cacheprovider -p no:terminal"),
    "no capture": ini("addopts = -s -v --tb=no --no-header"),
    "--lf --ff --nf --sw": ini("addopts = --lf --ff --nf --sw"),
    "-k": ini("addopts = -k 'three'", names=("test_three",)),
    "-m": ini(
        "addopts = -m 'not slow'\nmarkers = slow",
        tests=PLAIN + "\n    @pytest.mark.slow\n    def test_long():\n        assert double(9) == 0\n",
    ),
    "--deselect": ini("addopts = --deselect test_lib.py::test_two", names=("test_three",)),
    "--ignore": ini("addopts = --ignore=old", **{"old/test_old.py": "from lib import double\n1 / 0\n"}),
    "--doctest-modules": ini("addopts = --doctest-modules --doctest-glob=*.md"),
    "minversion": ini("minversion = 7.0\nrequired_plugins ="),
    "xfail_strict": ini(
        "xfail_strict = true",
        tests=PLAIN + "\n    @pytest.mark.xfail\n    def test_not_yet():\n        assert double(1) == 3\n",
    ),
    "own names": Case(
        {
            "pyproject.toml": '[tool.pytest.ini_options]\npython_files = "check_*.py"\npython_classes = ["Checks"]\n'
            'python_functions = "check_*"\n',
            "checks/check_lib.py": "from lib import double\n\ndef check_two():\n    assert double(2) == 4\n\n"
            "class Checks:\n    def check_three(self):\n        assert double(3) == 6\n",
        },
        ("check_two", "Checks::check_three"),
    ),
    "usefixtures": ini(
        "usefixtures = prepared",
        **{"conftest.py": "import pytest\n\n@pytest.fixture\ndef prepared():\n    yield\n"},
    ),
    "setup.cfg": Case({"setup.cfg": "[tool:pytest]\naddopts = -x\n", "test_lib.py": PLAIN}, ("test_two", "test_three")),
    "tox.ini": Case({"tox.ini": "[pytest]\naddopts = -x\n", "test_lib.py": PLAIN}, ("test_two", "test_three")),
    "--import-mode": ini("addopts = --import-mode=importlib\npythonpath = ."),
    "log options": ini("log_cli = true\nlog_level = DEBUG\njunit_family = legacy\naddopts = --junitxml=report.xml"),
    "reordering conftest": ini(
        "",
        **{
            "conftest.py": """
                import pytest

                def pytest_collection_modifyitems(session, config, items):
                    items.reverse()
                    for item in items:
                        item.add_marker(pytest.mark.filterwarnings("ignore"))

                def pytest_configure(config):
                    config.addinivalue_line("markers", "mine: a marker")

                def pytest_addoption(parser):
                    parser.addoption("--mine", action="store_true")
                """
        },
        names=("test_three", "test_two"),
    ),
}

WRITTEN: dict[str, Case] = {
    "skipif": code(
        PLAIN + "\n    @pytest.mark.skipif(True, reason='no')\n    def test_else():\n        assert double(1) == 7\n",
        "test_two", "test_three",
    ),
    "raises": code(
        "import pytest\nfrom lib import double\n\ndef test_it():\n    with pytest.raises(TypeError):\n"
        "        double(None)\n    assert double(3) == 6\n",
        "test_it",
    ),
    "tmp_path and monkeypatch": code(
        "import os\nfrom lib import double\n\ndef test_it(tmp_path, monkeypatch, capsys):\n"
        "    monkeypatch.chdir(tmp_path)\n    monkeypatch.setenv('A', 'b')\n    print(double(3))\n"
        "    (tmp_path / 'a').write_text(capsys.readouterr().out)\n    assert (tmp_path / 'a').read_text() == '6\\n'\n",
        "test_it",
    ),
    "odd ids": code(
        "import pytest\nfrom lib import double\n\n"
        "ODD = ['a[b]', 'a::b', 'a\\nb', 'ä€𝄞', '', ' ', 'a/b.py', '\\\\', '\\'', '\\x00', '::*']\n\n"
        "@pytest.mark.parametrize('n', [3] * len(ODD), ids=ODD)\ndef test_it(n):\n    assert double(n) == 6\n",
        "test_it[a[b]]", "test_it[a::b]", "test_it[a\\nb]", "test_it[\\xe4\\u20ac\\U0001d11e]", "test_it[]",
        "test_it[ ]", "test_it[a/b.py]", "test_it[\\\\]", "test_it[']", "test_it[\\x00]", "test_it[::*]",
    ),
    "values as ids": code(
        "import pytest\nfrom lib import double\n\n@pytest.mark.parametrize('text', ['[', 'a b', 'ü', ''])\n"
        "def test_it(text):\n    assert double(text) == text + text\n    assert double(3) == 6\n",
        "test_it[[]", "test_it[a b]", "test_it[\\xfc]", "test_it[]",
    ),
    "fixtures of wider scope": code(
        "import pytest\nfrom lib import double\n\n@pytest.fixture(scope='class')\ndef made():\n    return double(3)\n\n"
        "@pytest.fixture(scope='module', autouse=True)\ndef always():\n    yield 1\n\n"
        "class TestIt:\n    def test_a(self, made):\n        assert made == 6\n    def test_b(self, made):\n"
        "        assert made != 5\n",
        "TestIt::test_a", "TestIt::test_b",
    ),
    "parametrized fixtures and classes": code(
        "import pytest\nfrom lib import double\n\n@pytest.fixture(params=[1, 3])\ndef n(request):\n"
        "    return request.param\n\n@pytest.mark.parametrize('one', [1])\nclass TestIt:\n"
        "    def test_it(self, n, one):\n        assert double(n) == 2 * n\n",
        "TestIt::test_it[1-1]", "TestIt::test_it[3-1]",
    ),
    "xunit style": code(
        "from lib import double\n\ndef setup_module(module):\n    module.base = 3\n\ndef teardown_module():\n    pass\n"
        "\nclass TestIt:\n    def setup_method(self, method):\n        self.made = double(base)\n"
        "    def test_it(self):\n        assert self.made == 6\n",
        "TestIt::test_it",
    ),
    "generated tests": code(
        "from lib import double\n\ndef make(n):\n    def test():\n        assert double(n) == 2 * n\n    return test\n"
        "\nfor n in (1, 3):\n    globals()[f'test_{n}'] = make(n)\n",
        "test_1", "test_3",
    ),
    "subtests": code(
        "from lib import double\n\ndef test_it(subtests):\n    for n in (2, 3):\n        with subtests.test(n=n):\n"
        "            assert double(n) == 2 * n\n",
        "test_it",
    ),
    "tests that print, warn and log": code(
        "import logging, sys, warnings\nfrom lib import double\n\ndef test_it():\n    print('x' * 100_000)\n"
        "    warnings.warn('careful')\n    logging.warning('hm')\n    print('{\"kind\": \"test\"}', file=sys.stderr)\n"
        "    assert double(3) == 6\n",
        "test_it",
    ),
    "tests that change folder, stdout and signals": code(
        "import os, signal, sys\nfrom lib import double\n\ndef test_it(tmp_path):\n    os.chdir(tmp_path)\n"
        "    sys.stdout = sys.stderr = open(os.devnull, 'w')\n    sys.stdin = None\n"
        "    signal.signal(signal.SIGALRM, lambda *_: None)\n    signal.alarm(100)\n    assert double(3) == 6\n\n"
        "def test_after():\n    assert double(3) == 6\n",
        "test_it", "test_after",
    ),
}  # fmt: skip

UNITTEST: dict[str, Case] = {
    "setUpClass": code(
        "import unittest\nfrom lib import double\n\ndef setUpModule():\n    pass\n\nclass T(unittest.TestCase):\n"
        "    @classmethod\n    def setUpClass(cls):\n        cls.made = double(3)\n"
        "    def test_it(self):\n        self.assertEqual(self.made, 6)\n",
        "T::test_it",
    ),
    "subTest": code(
        "import unittest\nfrom lib import double\n\nclass T(unittest.TestCase):\n    def test_it(self):\n"
        "        for n in (2, 3):\n            with self.subTest(n=n):\n"
        "                self.assertEqual(double(n), 2 * n)\n",
        "T::test_it",
    ),
    "skip and expectedFailure": code(
        "import unittest\nfrom lib import double\n\nclass T(unittest.TestCase):\n    def test_it(self):\n"
        "        self.assertEqual(double(3), 6)\n    @unittest.skip('no')\n    def test_no(self):\n        double(1)\n"
        "    @unittest.expectedFailure\n    def test_fails(self):\n        self.assertEqual(double(1), 7)\n",
        "T::test_it",
    ),
    "IsolatedAsyncioTestCase": code(
        "import asyncio, unittest\nfrom lib import double\n\nclass T(unittest.IsolatedAsyncioTestCase):\n"
        "    async def asyncSetUp(self):\n        self.n = 3\n    async def test_it(self):\n"
        "        await asyncio.sleep(0)\n        self.assertEqual(double(self.n), 6)\n",
        "T::test_it",
    ),
    "a base class of tests": code(
        "import base\n\nclass T(base.Base):\n    n = 3\n",
        "T::test_it",
        **{
            "base.py": "import unittest\nfrom lib import double\n\nclass Base(unittest.TestCase):\n    n = 1\n"
            "    def test_it(self):\n        self.assertEqual(double(self.n), 2 * self.n)\n"
        },
    ),
}

WITH_PLUGINS: dict[str, Case] = {
    "-n auto": ini("addopts = -n auto"),
    "-n 2 --dist": ini("addopts = -n 2 --dist loadfile --maxprocesses 2 -x"),
    "--cov-fail-under": ini("addopts = --cov=lib --cov-report=term --cov-fail-under=100 --cov-branch"),
    "coverage in pyproject": Case(
        {
            "pyproject.toml": '[tool.pytest.ini_options]\naddopts = ["--cov", "--cov-report=xml", "-n", "auto"]\n'
            '[tool.coverage.run]\nsource = ["lib"]\n[tool.coverage.report]\nfail_under = 100\n',
            "test_lib.py": PLAIN,
        },
        ("test_two", "test_three"),
    ),
    "required_plugins": ini("required_plugins = pytest-xdist pytest-cov"),
    "randomly": ini("addopts = -p randomly"),
    "--reruns": ini("addopts = --reruns 2"),
    "flaky": ini(
        "",
        tests=PLAIN + "\n    @pytest.mark.flaky(reruns=2)\n    def test_more():\n        assert double(5) == 10\n",
        names=("test_two", "test_three", "test_more"),
    ),
    "timeout": ini("timeout = 60\naddopts = --timeout-method=signal"),
    "asyncio strict": ini(
        "asyncio_mode = strict",
        tests="import asyncio, pytest\nfrom lib import double\n\n@pytest.mark.asyncio\nasync def test_it():\n"
        "    await asyncio.sleep(0)\n    assert double(3) == 6\n",
        names=("test_it",),
    ),
    "asyncio auto": ini(
        "asyncio_mode = auto",
        tests="import asyncio, pytest\nfrom lib import double\n\n@pytest.fixture\nasync def made():\n"
        "    await asyncio.sleep(0)\n    return double(3)\n\nasync def test_it(made):\n    assert made == 6\n",
        names=("test_it",),
    ),
    "anyio": ini(
        "",
        tests="import anyio, pytest\nfrom lib import double\n\n@pytest.fixture\ndef anyio_backend():\n"
        "    return 'asyncio'\n\n@pytest.mark.anyio\nasync def test_it():\n    await anyio.sleep(0)\n"
        "    assert double(3) == 6\n",
        names=("test_it",),
    ),
    "hypothesis": ini(
        "",
        tests="from hypothesis import given, strategies\nfrom lib import double\n\n@given(strategies.integers())\n"
        "def test_it(n):\n    assert double(n) == 2 * n\n",
        names=("test_it",),
    ),
    "hypothesis and fixtures": ini(
        "",
        tests="from hypothesis import given, settings, strategies\nfrom lib import double\n\n"
        "@settings(max_examples=20, deadline=None)\n@given(strategies.text())\ndef test_it(tmp_path_factory, text):\n"
        "    assert double(text) == text * 2\n",
        names=("test_it",),
    ),
    "mock": ini(
        "",
        tests="from lib import double\n\ndef test_it(mocker):\n    hook = mocker.Mock(return_value=3)\n"
        "    assert double(hook()) == 6\n    hook.assert_called_once()\n",
        names=("test_it",),
    ),
}

# What plug-ins have a say in as well; the others are those of a pytest alone.  Not `-W error`: pytest-asyncio's own
# warning ends pytest then, with or without Greenfinch.
MIXED = ("-x", "-k", "--lf --ff --nf --sw", "no capture", "own names", "reordering conftest", "odd ids", "subtests",
         "xfail_strict", "IsolatedAsyncioTestCase")  # fmt: skip


async def judged(work, verifier: Verifier, case: Case) -> None:  # type: ignore[no-untyped-def]
    before = work.snapshot()
    found = await work.baseline(verifier, "lib.py", ["double"])
    file = found.judge.files[0].relative_to(work.root).as_posix()
    names = tuple(test.partition("::")[2] for test in found.judge.tests)
    assert sorted(names) == sorted(case.tests), found.judge
    assert all(test.lower().startswith(f"{file}::") for test in found.judge.tests)
    good = await work.verdict(verifier, found, "lib.py", GOOD)
    assert good.passed, good
    assert good.tests_total == len(case.tests)
    bad = await work.verdict(verifier, found, "lib.py", BAD)
    assert not bad.passed and bad.tests_passed < bad.tests_total, bad
    assert work.snapshot() == before


OFTEN = (
    "-x",
    "-W error",
    "--import-mode",
    "fixtures of wider scope",
    "parametrized fixtures and classes",
)  # the others are as slow, and rarer
ALONE = [
    *(pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow) for name in (*CONFIGURED, *WRITTEN)),
    *(pytest.param(name, marks=pytest.mark.slow) for name in UNITTEST),  # by unittest itself below
]


@pytest.mark.parametrize("name", ALONE)
async def test_pytest_alone(project, opened, name):
    case = {**CONFIGURED, **WRITTEN, **UNITTEST}[name]
    work = project({"lib.py": STUB, **case.files})
    async with opened(work) as verifier:
        await judged(work, verifier, case)


@pytest.mark.parametrize("name", UNITTEST)
@pytest.mark.slow
async def test_unittest_without_pytest(project, opened, name):
    case = UNITTEST[name]
    work = project({"lib.py": STUB, **case.files})
    async with opened(work) as verifier:
        verifier.interpreter = Interpreter(
            **{n: getattr(verifier.interpreter, n) for n in ("path", "version", "source", "prefix", "base_prefix")},
            import_paths=verifier.interpreter.import_paths,
            frameworks={"unittest": "3"},
        )
        found = await work.baseline(verifier, "lib.py", ["double"])
        assert [test.replace("test_lib.", "", 1).replace(".", "::") for test in found.judge.tests] == list(case.tests)
        assert (await work.verdict(verifier, found, "lib.py", GOOD)).passed
        assert not (await work.verdict(verifier, found, "lib.py", BAD)).passed


@pytest.fixture(scope="session")
def python_with_plugins(tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    """A virtual environment with the plug-ins that people use most, made once."""
    folder = tmp_path_factory.mktemp("plugins") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    found = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    subprocess.run([found, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PLUGINS], check=True)
    return probe(found, "setting")


@pytest.fixture
def opened_with_plugins(python_with_plugins: Interpreter, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")

    @asynccontextmanager
    async def open_verifier(project) -> AsyncIterator[Verifier]:  # type: ignore[no-untyped-def]
        async with Verifier(project.root, python_with_plugins, Settings()) as verifier:
            yield verifier

    return open_verifier


@pytest.mark.slow
@pytest.mark.parametrize("name", [*WITH_PLUGINS, *MIXED])
async def test_pytest_with_the_plug_ins_that_people_use(project, opened_with_plugins, name):
    case = {**WITH_PLUGINS, **CONFIGURED, **WRITTEN, **UNITTEST}[name]
    work = project({"lib.py": STUB, **case.files})
    async with opened_with_plugins(work) as verifier:
        await judged(work, verifier, case)


@pytest.mark.parametrize("name", ["docs/usage.rst", "usage.txt"])
@pytest.mark.slow
async def test_examples_in_a_text_judge_where_no_test_does(project, opened, name):
    text = "Doubling\n========\n\n>>> from lib import double\n>>> double(3)\n6\n"
    work = project({"lib.py": STUB, name: text, "conftest.py": ""})
    async with opened(work) as verifier:
        found = await work.baseline(verifier, "lib.py", ["double"])
        assert found.judge.tests == (f"{name}::{name.rpartition('/')[2]}",)
        assert (await work.verdict(verifier, found, "lib.py", GOOD)).passed
        assert not (await work.verdict(verifier, found, "lib.py", BAD)).passed
