"""Warm runs: the same verdicts as cold ones, confined the same way, and nothing left of one run for the next."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent

import anyio
import psutil
import pytest
from attrs import evolve
from test_ordinary_user import NOBODY, python_for_everybody

from engine.verification.verifier import reach_statement

pytestmark = pytest.mark.anyio

STUB = """
def double(number):
    raise NotImplementedError
"""
TESTS = """
import pytest
from lib import double

@pytest.fixture(scope="module")
def two():
    return 2

@pytest.mark.parametrize("number", [1, 2, 3])
def test_double(number, tmp_path):
    assert double(number) == number + number

def test_fixture(two):
    assert double(two) == 4

class TestTexts:
    def test_text(self):
        assert double("a") == "aa"
"""


@pytest.fixture(autouse=True)
def full(levels):
    if "full" not in levels:
        pytest.skip("this machine does not allow user namespaces")


@pytest.fixture
def work(project):
    return project({"lib.py": STUB, "conftest.py": "", "test_lib.py": TESTS, "data/kept.txt": "kept"})


def body(*lines: str) -> str:
    return "def double(number):\n" + "".join(f"    {line}\n" for line in lines)


def probed(text: str, name: str = "double") -> str:
    """The stub's text with the probe in it."""
    return text.replace("    raise NotImplementedError", f"    {reach_statement(name)}\n    raise NotImplementedError")


async def warm(work, verifier, found, text, file="lib.py"):
    """The verdict of a run that must have been warm: a run that falls back ends alike, only later."""
    verdict = await work.verdict(verifier, found, file, text)
    assert verdict.warm, "it was run cold"
    return verdict


async def cold(work, verifier, found, text):
    verdict = await work.verdict(verifier, found, "lib.py", text)
    assert not verdict.warm, "it was run warm"
    return verdict


def server_of(verifier) -> psutil.Process:
    """The process that forks: where the launcher's chain of children ends, its forks left out."""
    return psutil.Process(verifier._running.warming._server._process.pid)


@pytest.fixture
def warmed(opened):
    """A verifier whose server is ready, and the baseline."""

    @asynccontextmanager
    async def open_warm(work, file="lib.py", ready=True):
        async with opened(work) as verifier:
            found = await work.baseline(verifier, file, ["double"])
            texts = {work.root / file: probed(work.read(file))}
            verifier.keep_warm(found, texts, targets=["double"], stubs=["double"])
            reason = await verifier.warmed()
            assert not (ready and reason), reason
            yield verifier, found

    return open_warm


@pytest.mark.slow
async def test_verdicts_are_those_of_cold_runs(work, warmed):
    texts = [
        body("return number + number"),
        body("return number * 3"),
        body("assert number != 2, 'not two'", "return number * 2"),
        body("raise SystemExit"),
        body("import os", "os._exit(0)"),
        "def double(number:\n",
        "double = 1\n",
    ]
    async with warmed(work) as (verifier, found):
        assert verifier._running.warming.repeated is not None
        for text in texts:
            forked = await warm(work, verifier, found, text)
            fresh = await verifier.run(
                found.judge, {work.root / "lib.py": text}, time_limit=found.time_limit, fresh=True
            )
            assert not fresh.warm
            assert [(r.id, r.outcome, r.message, r.frames) for r in forked.results] == [
                (r.id, r.outcome, r.message, r.frames) for r in fresh.results
            ], text
            assert (forked.passed, forked.reason, forked.loaded) == (fresh.passed, fresh.reason, fresh.loaded)
        assert await verifier.warmed() == ""
        assert verifier._running.warming._server.place == "collection"


async def test_it_is_used_for_every_run_but_fresh_and_unlike_ones(work, warmed):
    texts = {work.root / "lib.py": body("return number * 2")}
    async with warmed(work) as (verifier, found):

        async def how(seconds=found.time_limit, **asked):
            verdict = await verifier.run(found.judge, texts, time_limit=seconds, **asked)
            assert verdict.passed, verdict
            return verdict.warm

        assert await how()
        assert await how(stop_at_first_failure=True)
        assert await how(stop_at_first_failure=True, first=found.judge.tests[-1:])
        assert await how(targets=["double"], stubs=["double"])
        assert not await how(fresh=True)
        assert not await how(seconds=2 * found.time_limit)
        assert not await how(audit=True)
        assert await how()
        assert await verifier.warmed() == ""


async def test_nothing_of_one_run_is_there_in_the_next(work, warmed):
    before = work.snapshot()
    leave = body(
        "import builtins, os, pathlib, sys, tempfile",
        "assert not hasattr(builtins, 'left') and 'left' not in os.environ and not os.path.exists('left')",
        "assert not os.path.exists('/tmp/left') and os.path.exists('data/kept.txt')",
        "builtins.left = 1",
        "os.environ['left'] = '1'",
        "for place in ('left', '/tmp/left', '/dev/shm/left', os.path.expanduser('~/left')):",
        "    pathlib.Path(place).write_text('left')",
        "os.unlink('data/kept.txt') if number == 'a' else None",
        "del builtins.left, os.environ['left']",
        "for place in ('left', '/tmp/left'):",
        "    os.unlink(place) if number != 'a' else None",
        "return number * 2",
    )
    async with warmed(work) as (verifier, found):
        for _ in range(3):
            verdict = await warm(work, verifier, found, leave)
            assert verdict.passed, verdict
        assert await verifier.warmed() == ""
    assert work.snapshot() == before


async def test_a_fork_is_confined_as_a_cold_run_is(work, warmed, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    status = body(
        "import ctypes, os, socket, sys",
        "lines = dict(line.split(':', 1) for line in open('/proc/self/status'))",
        "assert int(lines['CapEff'], 16) == 0 and int(lines['CapBnd'], 16) == 0, lines",
        "assert lines['NoNewPrivs'].split() == ['1'] and lines['Seccomp'].split() == ['2'], lines",
        "assert [name for _, name in socket.if_nameindex()] == ['lo']",
        "others = [name for name in os.listdir('/proc') if name.isdigit() and int(name) not in (1, os.getpid())]",
        "assert not others, others",
        f"assert not os.path.exists({str(secret)!r})",
        "assert ctypes.CDLL(None).unshare(0x10000000) == -1",
        "kinds = sorted(os.readlink(f'/proc/self/fd/{n}').partition(':')[0] for n in os.listdir('/proc/self/fd')"
        " if os.path.exists(f'/proc/self/fd/{n}'))",
        "assert 'socket' not in kinds, kinds",
        "return number * 2",
    )
    async with warmed(work) as (verifier, found):
        verdict = await warm(work, verifier, found, status)
        assert verdict.passed, verdict
        assert await verifier.warmed() == ""


@pytest.mark.slow
async def test_bounds_are_kept(work, warmed):
    async with warmed(work) as (verifier, found):
        forks = body("import os", "[os.fork() or __import__('time').sleep(9) for _ in range(400)]")
        verdict = await warm(work, verifier, found, forks)
        assert not verdict.passed
        talk = body(
            "import os",
            "names = {n: os.path.realpath(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')}",
            "pipes = [int(n) for n, name in names.items() if 'pipe:' in name]",
            "while True: [os.write(n, b'x' * 65536) for n in pipes]",
        )
        verdict = await warm(work, verifier, found, talk)
        assert not verdict.passed and "output" in verdict.reason, verdict
        hog = body("return bytearray(3 << 30)")
        assert "MemoryError" in (await warm(work, verifier, found, hog)).reason
        sleeps = {work.root / "lib.py": body("import time", "time.sleep(60)")}
        verdict = await verifier.run(found.judge, sleeps, time_limit=1.0)
        assert verdict.warm and verdict.timed_out and verdict.seconds < 30, verdict
        assert (await warm(work, verifier, found, body("return number * 2"))).passed
        assert await verifier.warmed() == ""


@pytest.mark.slow
async def test_several_runs_at_once_do_not_mix(work, warmed):
    async with warmed(work) as (verifier, found):
        verdicts = {}

        async def run(factor):
            verdicts[factor] = await warm(work, verifier, found, body(f"return number * {factor}"))

        async with anyio.create_task_group() as group:
            for factor in range(5):
                group.start_soon(run, factor)
        assert {factor for factor, verdict in verdicts.items() if verdict.passed} == {2}
        assert await verifier.warmed() == ""


@pytest.mark.slow
async def test_a_cancelled_run_is_gone_at_once(work, warmed):
    async with warmed(work) as (verifier, found):
        server = server_of(verifier)
        await anyio.sleep(0.5)
        idle = len(server.children(recursive=True))
        text = body("import subprocess", "subprocess.Popen(['sleep', '4711'], start_new_session=True).wait()")
        with anyio.move_on_after(1.5) as scope:
            await warm(work, verifier, found, text)
        assert scope.cancelled_caught
        assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "4711"]]
        await anyio.sleep(1.0)
        assert len(server.children(recursive=True)) <= idle
        assert (await warm(work, verifier, found, body("return number * 2"))).passed
        assert await verifier.warmed() == ""


@pytest.mark.slow
async def test_a_changed_configuration_gets_a_new_server(work, warmed):
    async with warmed(work) as (verifier, found):
        before = verifier._running.warming._server
        work.write("conftest.py", "import os\nos.environ['CONFIGURED'] = 'yes'\n")
        text = body("import os", "assert os.environ.get('CONFIGURED') == 'yes'", "return number * 2")
        assert (await cold(work, verifier, found, text)).passed
        assert await verifier.warmed() == ""
        assert verifier._running.warming._server is not before
        assert (await warm(work, verifier, found, text)).passed


@pytest.mark.slow
async def test_a_new_file_of_an_editable_project_replaces_no_server(work, opened):
    async with opened(work) as verifier:
        verifier.interpreter = evolve(
            verifier.interpreter, import_paths=(*verifier.interpreter.import_paths, work.root)
        )
        found = await work.baseline(verifier, "lib.py", ["double"])
        verifier.keep_warm(found, {work.root / "lib.py": probed(STUB)}, targets=["double"], stubs=["double"])
        assert await verifier.warmed() == ""
        work.write("notes.txt", "saved by an editor")
        assert (await warm(work, verifier, found, body("return number * 2"))).passed


@pytest.mark.slow
async def test_unsaved_tests_and_configuration_are_what_counts(work, warmed):
    async with warmed(work) as (verifier, found):
        texts = {
            work.root / "lib.py": body("return number * 2"),
            work.root / "test_lib.py": TESTS.replace("== 4", "== 5"),
        }
        verdict = await verifier.run(found.judge, texts, time_limit=found.time_limit)
        assert verdict.warm
        assert [result.id for result in verdict.results if not result.passed] == ["test_lib.py::test_fixture"]
        texts = {
            work.root / "lib.py": body("return number * 2"),
            work.root / "conftest.py": "raise OSError('unsaved')\n",
        }
        verdict = await verifier.run(found.judge, texts, time_limit=found.time_limit)
        assert not verdict.passed and not verdict.warm
        assert await verifier.warmed() == ""


@pytest.mark.slow
async def test_a_server_that_ends_is_replaced_once(work, warmed):
    good = body("return number * 2")
    async with warmed(work) as (verifier, found):
        for is_replaced in (True, False):
            server = verifier._running.warming._server
            server._process.kill()
            server._process.wait()
            assert (await cold(work, verifier, found, good)).passed
            reason = await verifier.warmed()
            assert (reason == "") is is_replaced
        assert (await cold(work, verifier, found, good)).passed


@pytest.mark.slow
async def test_a_conftest_that_loads_the_projects_package_sees_the_candidate(project, warmed):
    work = project(
        {
            "src/pkg/__init__.py": "from pkg.core import double\n",
            "src/pkg/core.py": STUB,
            "tests/conftest.py": "import pkg\nimport pytest\n\n@pytest.fixture\ndef double():\n    return pkg.double\n",
            "tests/test_core.py": "def test_double(double):\n    assert double(4) == 8\n",
            "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\n',
        }
    )
    async with warmed(work, "src/pkg/core.py") as (verifier, found):
        assert verifier._running.warming._server.place == "conftest"
        assert (await warm(work, verifier, found, body("return number * 2"), "src/pkg/core.py")).passed
        assert not (await warm(work, verifier, found, body("return number * 3"), "src/pkg/core.py")).passed
        assert await verifier.warmed() == ""


@pytest.mark.slow
async def test_a_conftest_that_reads_a_file_of_the_project_waits_for_the_candidate(project, warmed):
    work = project(
        {
            "lib.py": STUB,
            "conftest.py": "import pathlib\nTEXT = pathlib.Path(__file__).with_name('lib.py').read_text()\n",
            "test_lib.py": "import conftest\nfrom lib import double\n\ndef test_double():\n"
            "    assert double(4) == 8\n    assert 'return number * 2' in conftest.TEXT\n",
        }
    )
    async with warmed(work) as (verifier, found):
        assert verifier._running.warming._server.place == "conftest"
        assert (await warm(work, verifier, found, body("return number * 2"))).passed


@pytest.mark.slow
async def test_tests_of_unittest_run_warm_too(project, warmed, opened, monkeypatch):
    work = project(
        {
            "lib.py": STUB,
            "test_lib.py": "import unittest\nfrom lib import double\n\nclass T(unittest.TestCase):\n"
            "    def test_double(self):\n        self.assertEqual(double(4), 8)\n",
        }
    )
    monkeypatch.setattr("engine.verification.verifier.framework_of", lambda *_: "unittest")
    async with warmed(work) as (verifier, found):
        assert (await warm(work, verifier, found, body("return number * 2"))).passed
        assert not (await warm(work, verifier, found, body("return number * 3"))).passed
        assert await verifier.warmed() == ""


@pytest.mark.slow
async def test_a_judge_that_ends_otherwise_when_warm_is_run_cold(project, warmed):
    """Here because a test tells, by a mark of time, how long its process has been there."""
    work = project(
        {
            "lib.py": STUB,
            "test_lib.py": "import sys\nfrom lib import double\n\ndef test_double():\n    assert double(4) == 8\n\n"
            "def test_start():\n    try:\n        double(1)\n    except NotImplementedError:\n        pass\n"
            "    assert sys.modules['__main__'].__dict__.get('__file__', '').endswith('runner.py')\n",
        }
    )
    async with warmed(work, ready=False) as (verifier, found):
        assert "test_start" in await verifier.warmed()
        assert verifier._running.warming._server is None
        assert (await cold(work, verifier, found, body("return number * 2"))).passed


async def test_without_namespaces_runs_are_cold(work, opened):
    async with opened(work, "limits-only") as verifier:
        found = await work.baseline(verifier, "lib.py", ["double"])
        verifier.keep_warm(found, {work.root / "lib.py": probed(STUB)}, targets=["double"])
        assert "limits-only" in await verifier.warmed()
        assert (await cold(work, verifier, found, body("return number * 2"))).passed


@pytest.mark.slow
async def test_files_that_refused_a_text_before_come_first(project, warmed):
    work = project(
        {
            "lib.py": STUB,
            "test_a.py": "from lib import double\n\ndef test_a():\n    assert double(1) == 2\n",
            "test_b.py": "from lib import double\n\ndef test_b():\n    assert double(2) == 4\n",
        }
    )
    async with warmed(work) as (verifier, found):
        ways = []

        async def order(text):
            seen = []
            texts = {work.root / "lib.py": text}
            verdict = await verifier.run(found.judge, texts, time_limit=9, on_result=seen.append)
            ways.append(verdict.warm)
            return [each.id for each in seen]

        assert await order(body("return number * 2")) == ["test_a.py::test_a", "test_b.py::test_b"]
        assert await order(body("return 2")) == ["test_a.py::test_a", "test_b.py::test_b"]
        assert await order(body("return number * 2")) == ["test_b.py::test_b", "test_a.py::test_a"]
        assert all(ways)
        verdict = await warm(work, verifier, found, body("return number * 2"))
        assert [result.id for result in verdict.results] == list(found.judge.tests)
        work.write("conftest.py", "def pytest_collection_modifyitems(items):\n    pass\n")
        assert await order(body("return number * 2")) == ["test_a.py::test_a", "test_b.py::test_b"]


def folders() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).iterdir() if "greenfinch" in path.name}


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.slow
async def test_closing_leaves_no_process_and_no_folder(work, warmed, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("temporary")))  # others of ours may run, too
    monkeypatch.setattr(tempfile, "tempdir", None)  # chosen anew, by that
    here = folders()
    async with warmed(work) as (verifier, found):
        server = server_of(verifier)
        everything = [server, *server.children(recursive=True)]
        assert len(everything) > 3
        assert (await warm(work, verifier, found, body("return number * 2"))).passed
        open_before = descriptors()
        for _ in range(3):
            await warm(work, verifier, found, body("return number * 2"))
        assert descriptors() <= open_before
    _, alive = psutil.wait_procs(everything, timeout=2)
    assert not alive
    assert folders() <= here


def start(script: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
async def test_nothing_outlives_a_greenfinch_that_is_killed(work, tmp_path):
    script = tmp_path / "owner.py"
    script.write_text(
        dedent(f"""
        import sys, time
        sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[2])!r}]
        from pathlib import Path
        import anyio
        from conftest import Project, instrumented
        from engine.config import Settings
        from engine.verification.interpreter import probe
        from engine.verification.verifier import Verifier

        async def main():
            work = Project(Path({str(work.root)!r}), {{}})
            async with Verifier(work.root, probe(Path(sys.executable), "setting"), Settings()) as verifier:
                found = await work.baseline(verifier, "lib.py", ["double"])
                texts = {{work.root / "lib.py": instrumented(work.read("lib.py"), ["double"])}}
                verifier.keep_warm(found, texts, targets=["double"], stubs=["double"])
                print(await verifier.warmed() or "ready", flush=True)
                await anyio.sleep(60)

        anyio.run(main)
        """)
    )
    with start(script) as owner:
        assert owner.stdout is not None
        assert await anyio.to_thread.run_sync(owner.stdout.readline) == "ready\n"
        below = psutil.Process(owner.pid).children(recursive=True)
        assert len(below) > 3
        owner.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(below, timeout=3)
    assert not alive


FOR_EVERYBODY = """
import anyio, json, sys
from pathlib import Path
from engine.config import Settings
from engine.verification.interpreter import probe
from engine.verification.verifier import Verifier, reach_statement

async def main(root):
    path = root / "lib.py"
    probed = {path: f"def double(number):\\n    {reach_statement('double')}\\n    raise NotImplementedError\\n"}
    async with Verifier(root, probe(Path(sys.executable), "setting"), Settings()) as verifier:
        found = await verifier.baseline(target_path=path, targets=["double"], stubs=["double"], instrumented=probed,
                                        overlays={}, nominated=[root / "test_lib.py"])
        verifier.keep_warm(found, probed, targets=["double"], stubs=["double"])
        reason = await verifier.warmed()
        texts = ["return number * 2", "return number * 3", "import os\\n    while True: os.fork()"]
        done = [await verifier.run(found.judge, {path: f"def double(number):\\n    {text}\\n"}, time_limit=5)
                for text in texts]
        print(json.dumps([reason, await verifier.warmed(), [(each.passed, each.warm) for each in done]]))

anyio.run(main, Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_an_ordinary_user_has_warm_runs_too(work, tmp_path):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        python, packages = python_for_everybody(folder)
        root = folder / "work"
        root.mkdir()
        for file in ("lib.py", "test_lib.py", "conftest.py"):
            (root / file).write_text(work.read(file))
        options = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        for path in (root, *root.iterdir()) if options else ():
            os.chown(path, NOBODY, NOBODY)
        environment = {"PATH": os.defpath, "HOME": name, "PYTHONPATH": packages}
        told = subprocess.run(
            [python, "-c", FOR_EVERYBODY, str(root)], env=environment, cwd=folder, capture_output=True, text=True,
            check=False, timeout=60, **options,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        assert json.loads(told.stdout) == ["", "", [[True, True], [False, True], [False, True]]]
