"""What runs in a cell harms nothing, and cannot pass by leaving early.

The lines marked with a level are what that kind of cell promises; the weaker one says that it does not hold the rest.
"""

import os
import tempfile
import time
from pathlib import Path

import anyio
import psutil
import pytest

pytestmark = pytest.mark.anyio

STUB = "def f():\n    raise NotImplementedError\n"
TESTS = "from lib import f\n\ndef test_f():\n    assert f() == 1\n\ndef test_again():\n    assert f() == 1\n"


def body(*lines: str) -> str:
    return "def f():\n" + "".join(f"    {line}\n" for line in lines)


@pytest.fixture
def work(project):
    return project({"lib.py": STUB, "test_lib.py": TESTS, "other.py": "", "data/kept.txt": "kept\n"})


def running(mark: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if mark in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


async def test_nothing_that_tests_write_reaches_the_users_tree(work, opened, level):
    before = work.snapshot()
    text = body(
        "import os, pathlib, shutil",
        "here = pathlib.Path(__file__).parent",
        "(here / 'new.txt').write_text('new')",
        "(here / 'other.py').write_text('changed')",
        "(here / 'data' / 'kept.txt').unlink(missing_ok=True)",
        "shutil.rmtree(here / 'data', ignore_errors=True)",
        "assert not (here / 'data').exists()",
        "return 1",
    )
    async with opened(work, level) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        first = await work.verdict(verifier, found, "lib.py", text)
        second = await work.verdict(verifier, found, "lib.py", body("return len(open('data/kept.txt').read()) - 4"))
    assert first.passed, first
    assert second.passed, "the second run saw what the first one had done"
    assert work.snapshot() == before


@pytest.mark.slow
async def test_a_text_that_ends_the_process_with_success_does_not_pass(work, opened, level):
    async with opened(work, level) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        for leave in ("os._exit(0)", "sys.exit(0)", "os.kill(os.getpid(), 9)", "os.execv('/bin/true', ['true'])"):
            result = await work.verdict(verifier, found, "lib.py", body(f"import os, sys; {leave}"))
            assert not result.passed and result.tests_passed == 0, leave
    assert "ended" in result.reason


async def test_results_that_a_text_prints_itself_are_not_believed(work, opened):
    forged = '{"kind": "test", "key": "", "id": "test_lib.py::test_f", "outcome": "passed", "seconds": 0}'
    async with opened(work) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        text = body("import os", "for n in range(1, 20):", "    try:", f"        os.write(n, b'''\\n{forged}\\n''')",
                    "    except OSError:", "        pass", "os._exit(0)")  # fmt: skip
        result = await work.verdict(verifier, found, "lib.py", text)
    assert not result.passed and result.tests_passed == 0


async def test_a_text_that_never_ends_is_ended_at_the_time_limit(work, opened, level):
    async with opened(work, level) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        started = time.monotonic()
        result = await verifier.run(found.judge, {work.root / "lib.py": body("while True: pass")}, time_limit=1.5)
    assert result.timed_out and not result.passed
    assert time.monotonic() - started < 4
    assert "did not end within" in result.reason
    assert result.cpu_seconds > 0.1


async def test_a_text_that_fills_memory_fails_alone(work, opened, level):
    async with opened(work, level, test_memory_mb=512) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        result = await work.verdict(verifier, found, "lib.py", body("return len(bytearray(10**9)) and 1"))
    assert not result.passed
    assert result.first_failure.message == "MemoryError"


async def test_memory_is_summed_over_all_processes(work, opened, levels):
    if "full" not in levels:
        pytest.skip("only `full` can count a whole tree")
    text = body(
        "import os, time",
        "for _ in range(8):",
        "    if os.fork() == 0:",
        "        held = b'x' * (100 << 20)",
        "        time.sleep(20)",
        "time.sleep(20)",
    )
    async with opened(work, "full", test_memory_mb=400, test_timeout_seconds=15.0) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        result = await work.verdict(verifier, found, "lib.py", text)
    assert not result.passed and not result.timed_out
    assert "too much memory" in result.reason


async def test_a_fork_bomb_is_ended(work, opened, levels):
    if "full" not in levels:
        pytest.skip("only `full` can count processes")
    async with opened(work, "full", test_timeout_seconds=15.0) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        started = time.monotonic()
        result = await work.verdict(verifier, found, "lib.py", body("import os", "while True: os.fork()"))
    assert not result.passed
    assert time.monotonic() - started < 10


@pytest.mark.slow
async def test_endless_output_is_bounded(work, opened, level):
    text = body("import os", "while True: os.write(1, b'x' * 65536)")
    async with opened(work, level) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        result = await work.verdict(verifier, found, "lib.py", text)
    assert not result.passed
    assert len(result.output) < 50_000


@pytest.mark.parametrize("kind", ["child", "orphan in a session of its own"])
async def test_cancelling_ends_the_whole_process_tree_within_a_second(work, opened, level, kind):
    mark = f"greenfinch-test-{os.getpid()}-{time.monotonic_ns()}"
    command = f"subprocess.Popen(['/bin/sh', '-c', 'sleep 60; : {mark}'])"
    detached = (
        "if os.fork() == 0:",
        "    os.setsid()",
        "    if os.fork() == 0:",
        f"        {command}.wait()",
        "    os._exit(0)",
    )
    text = body("import os, subprocess, time", *((command,) if kind == "child" else detached), "time.sleep(60)")
    async with opened(work, level, test_timeout_seconds=60.0) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work.verdict, verifier, found, "lib.py", text)
            with anyio.fail_after(20):
                while not running(mark):  # noqa: ASYNC110 - another program tells of no event
                    await anyio.sleep(0.05)
            started = time.monotonic()
            tasks.cancel_scope.cancel()
    assert time.monotonic() - started < 1.0
    assert not running(mark)


async def test_processes_that_tests_leave_behind_are_gone_when_the_run_is(work, opened, level):
    mark = f"greenfinch-test-{os.getpid()}-{time.monotonic_ns()}"
    command = f"subprocess.Popen(['/bin/sh', '-c', 'sleep 60; : {mark}'], start_new_session=True)"
    async with opened(work, level) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        result = await work.verdict(verifier, found, "lib.py", body("import subprocess", command, "return 1"))
    assert result.passed, result
    assert not running(mark)


async def test_namespaces_close_what_lies_outside(work, opened, levels, tmp_path, monkeypatch):
    """No network, no file of the user's changed, no secret read, no other process seen, no privilege left."""
    if "full" not in levels:
        pytest.skip("this machine does not allow user namespaces")
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id").write_text("secret")
    (home / ".netrc").write_text("secret")
    (home / "notes.txt").write_text("mine")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SERVICE_TOKEN", "secret")
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    scratch = Path(tempfile.gettempdir(), f"greenfinch-test-{os.getpid()}")
    text = body(
        "import os, pathlib, socket",
        "def fails(action):",
        "    try:",
        "        action()",
        "    except OSError:",
        "        return True",
        "    return False",
        "home = pathlib.Path.home()",
        f"assert fails(lambda: open({str(outside)!r}, 'r+'))",
        "assert fails(lambda: open('/etc/greenfinch', 'w')) and fails(lambda: open('/usr/greenfinch', 'w'))",
        "assert fails(lambda: (home / '.ssh' / 'id').read_text())",
        "assert fails(lambda: (home / '.netrc').read_text()) or not (home / '.netrc').read_text()",
        "assert 'SERVICE_TOKEN' not in os.environ",
        "assert fails(lambda: socket.create_connection(('192.0.2.1', 80), 1))",
        "server = socket.create_server(('127.0.0.1', 0))",
        "socket.create_connection(server.getsockname(), 1).close()",
        "assert len([name for name in os.listdir('/proc') if name.isdigit()]) < 5",
        "assert 'CapEff:\\t0000000000000000' in open('/proc/self/status').read()",
        "assert fails(lambda: open('/proc/1/environ').read())",
        "harmless = 'null zero full random urandom tty fd stdin stdout stderr shm pts ptmx'",
        "assert set(os.listdir('/dev')) <= set(harmless.split())",
        f"pathlib.Path({str(scratch)!r}).write_text('fine')",
        "return 1",
    )
    async with opened(work, "full") as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        result = await work.verdict(verifier, found, "lib.py", text)
    assert result.passed, result.first_failure.detail
    assert outside.read_text() == "mine"
    assert not scratch.exists()  # noqa: ASYNC240 - one call


async def test_a_copy_at_the_original_path_serves_where_overlays_do_not_work(work, python, levels):
    """As on file systems that cannot be the lower layer of an overlay."""
    if "full" not in levels:
        pytest.skip("this machine does not allow user namespaces")
    from engine.verification.cell import Command, Limits
    from engine.verification.environment import clean_environment
    from engine.verification.namespaces import NamespaceCell

    before = work.snapshot()
    command = Command(
        argv=("/bin/sh", "-c", "pwd; cat lib.py; echo changed > test_lib.py; cat test_lib.py"),
        cwd=work.root, request="",
        environment=clean_environment(), limits=Limits(seconds=5.0), overlays={work.root / "lib.py": "unsaved\n"},
    )  # fmt: skip
    async with NamespaceCell(work.root, overlay=False) as cell:
        for _ in range(2):
            lines: list[str] = []
            await cell.run(command, lines.append)
            assert lines == [str(work.root), "unsaved", "changed"]
    assert work.snapshot() == before


@pytest.mark.slow
async def test_several_texts_can_be_judged_at_once(work, opened, level):
    results = {}

    async def judge(number: int) -> None:
        results[number] = await work.verdict(verifier, found, "lib.py", body(f"return {number}"))

    async with opened(work, level, test_timeout_seconds=20.0) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        async with anyio.create_task_group() as tasks:
            for number in range(4):
                tasks.start_soon(judge, number)
    assert [results[number].passed for number in range(4)] == [False, True, False, False]
