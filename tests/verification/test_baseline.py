"""The baseline: what is vacuous, broken, flaky or slow is said so, with names and places; nothing hangs."""

import time

import pytest
from attrs import evolve

from engine.errors import BrokenJudgeError, NoTestsError, SandboxError, VacuousJudgeError
from engine.verification.base import TestOutcome, TestResult
from engine.verification.baseline import flaky, may_be_flaky
from engine.verification.nominate import nominations

pytestmark = pytest.mark.anyio

STUB = "def f(n):\n    raise NotImplementedError\n"


async def test_a_broken_test_file_is_named_with_line_and_source(project, opened):
    work = project({"lib.py": STUB, "tests/test_lib.py": "import os\nfrom lib import f\nimport nowhere_at_all\n"})
    async with opened(work) as verifier:
        with pytest.raises(BrokenJudgeError) as caught:
            await work.baseline(verifier, "lib.py", ["f"])
    assert caught.value.what == (
        "tests/test_lib.py cannot be loaded: ModuleNotFoundError: No module named 'nowhere_at_all' "
        "(tests/test_lib.py:3: import nowhere_at_all)"
    )


@pytest.mark.slow
async def test_a_syntax_error_in_a_test_file_is_named_with_line_and_source(project, opened):
    work = project({"lib.py": STUB, "test_lib.py": "from lib import f\n\ndef test_f(:\n    assert f(1)\n"})
    async with opened(work) as verifier:
        with pytest.raises(BrokenJudgeError, match=r"test_lib.py cannot be loaded: .*\(test_lib.py:3: def test_f\(:\)"):
            await work.baseline(verifier, "lib.py", ["f"])


@pytest.mark.parametrize("framework", ["pytest", "unittest"])
@pytest.mark.slow
async def test_a_broken_import_is_placed_where_it_stands_not_where_it_was_set_off(project, opened, framework):
    tests = (
        "import unittest\nfrom helper import f\n\nclass T(unittest.TestCase):\n    def test_f(self):\n        f(1)\n"
    )
    work = project({"lib.py": STUB, "helper.py": "from lib import f\nfrom lib import g\n", "test_lib.py": tests})
    async with opened(work) as verifier:
        if framework == "unittest":
            verifier.interpreter = without_pytest(verifier.interpreter)
        with pytest.raises(BrokenJudgeError, match=r"cannot import name 'g'.*\(helper.py:2: from lib import g\)"):
            await work.baseline(verifier, "lib.py", ["f"])


def without_pytest(interpreter):
    return evolve(interpreter, frameworks={"unittest": "3"})


async def test_a_test_that_fails_before_it_reaches_the_target_is_named_with_its_reason(project, opened):
    tests = "from lib import f\n\ndef test_f(database):\n    assert f(1)\n"
    work = project({"lib.py": STUB, "test_lib.py": tests})
    async with opened(work) as verifier:
        with pytest.raises(BrokenJudgeError, match=r"test_lib.py::test_f fails before: .*fixture 'database' not found"):
            await work.baseline(verifier, "lib.py", ["f"])


async def test_a_judge_that_passes_already_is_vacuous_and_counted(project, opened):
    tests = "import lib\n\ndef test_a():\n    lib.f(1)\n\ndef test_b():\n    lib.f(2)\n"
    work = project({"lib.py": "def f(n):\n    pass\n", "test_lib.py": tests})
    async with opened(work) as verifier:
        with pytest.raises(VacuousJudgeError, match="All 2 tests that reach it pass already"):
            await work.baseline(verifier, "lib.py", ["f"])


async def test_tests_that_do_not_end_alike_are_left_out_and_named(project, opened):
    """Here one that passes only after another test of its file, which is no test of the judge."""
    tests = """
        import lib

        def test_first():
            lib.prepared = True

        def test_steady():
            assert lib.f(1) == 1

        def test_that_needs_the_first():
            assert lib.f(2) is None
            assert lib.prepared
        """
    work = project({"lib.py": "prepared = False\n\ndef f(n):\n    pass\n", "test_lib.py": tests})
    async with opened(work) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
    assert found.judge.tests == ("test_lib.py::test_steady",)
    reason = "flaky: passed, then failed, on the same text"
    assert found.judge.excluded == {"test_lib.py::test_that_needs_the_first": reason}


async def test_a_judge_of_nothing_but_flaky_tests_is_refused(project, opened):
    tests = """
        import lib

        def test_first():
            lib.prepared = True

        def test_that_needs_the_first():
            assert lib.f(2) is None
            assert lib.prepared
        """
    work = project({"lib.py": "prepared = False\n\ndef f(n):\n    pass\n", "test_lib.py": tests})
    async with opened(work) as verifier:
        with pytest.raises(BrokenJudgeError, match=r"No test can decide: .*test_that_needs_the_first is flaky"):
            await work.baseline(verifier, "lib.py", ["f"])


def test_flaky_is_what_differs_in_outcome_and_only_some_results_can_be():
    passed, failed = (TestResult("t", outcome) for outcome in (TestOutcome.PASSED, TestOutcome.FAILED))
    assert flaky([passed], [failed]) == ("t",)
    assert flaky([passed], []) == ("t",)
    assert flaky([failed], [failed]) == ()
    stubbed = TestResult("t", TestOutcome.FAILED, message="NotImplementedError")
    assert may_be_flaky([stubbed, passed])
    assert not may_be_flaky([stubbed, TestResult("t", TestOutcome.FAILED, message="AssertionError: assert None == 3")])


@pytest.mark.slow
async def test_slow_tests_are_named_and_get_a_multiple_of_their_own_time(project, opened):
    tests = """
        import time
        from lib import f

        def test_slow():
            time.sleep(2.1)
            assert f(1) == 1

        def test_quick():
            assert f(1) == 1
        """
    work = project({"lib.py": STUB, "test_lib.py": tests})
    async with opened(work) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
    assert found.warnings[0].startswith("slow tests, run for every candidate: test_lib.py::test_slow (2.1 s)")
    assert found.judge.limits["test_lib.py::test_quick"] == 5.0
    assert 20 < found.judge.limits["test_lib.py::test_slow"] < 40
    assert found.time_limit > found.judge.limits["test_lib.py::test_slow"]


LOOPS = """
    from lib import f

    def test_one():
        assert f(1) == 1

    def test_that_loops():
        assert f(2) == 2

    def test_three():
        assert f(3) == 3
"""
UNITTEST_LOOPS = """
    import unittest
    from lib import f

    class T(unittest.TestCase):
        def test_a_one(self):
            self.assertEqual(f(1), 1)

        def test_b_loops(self):
            self.assertEqual(f(2), 2)

        def test_c_three(self):
            self.assertEqual(f(3), 3)
"""


@pytest.mark.parametrize(
    ("framework", "loop"),
    [
        ("pytest", "while True: pass"),
        ("pytest", "import time; time.sleep(600)"),
        ("pytest", "f(n)"),
        ("unittest", "while True: pass"),
    ],
    ids=["busy", "asleep", "recursing", "busy in unittest"],
)
@pytest.mark.slow
async def test_a_test_that_does_not_end_fails_alone_and_the_others_tell_their_outcome(project, opened, framework, loop):
    work = project({"lib.py": STUB, "test_lib.py": UNITTEST_LOOPS if framework == "unittest" else LOOPS})
    async with opened(work, test_timeout_seconds=1.0) as verifier:
        if framework == "unittest":
            verifier.interpreter = without_pytest(verifier.interpreter)
        found = await work.baseline(verifier, "lib.py", ["f"])
        started = time.monotonic()
        text = f"def f(n):\n    if n == 2:\n        {loop}\n    return n\n"
        result = await work.verdict(verifier, found, "lib.py", text)
    assert [each.outcome for each in result.results] == ["passed", "failed", "passed"]
    expected = "RecursionError" if loop == "f(n)" else "TestTimeout: it did not end within 1 s"
    assert result.results[1].message.startswith(expected)
    assert not result.passed and not result.timed_out and time.monotonic() - started < 30


@pytest.mark.slow
async def test_code_that_catches_everything_is_ended_by_the_second_call(project, opened):
    work = project({"lib.py": STUB, "test_lib.py": LOOPS})
    text = """
        import time

        def f(n):
            until = time.monotonic() + 30
            while n == 2 and time.monotonic() < until:
                try:
                    while time.monotonic() < until:
                        pass
                except BaseException:
                    n = 2
                    if time.monotonic() > until - 28.5:
                        raise
            return n
        """
    async with opened(work, test_timeout_seconds=1.0) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        result = await work.verdict(verifier, found, "lib.py", text)
    assert [each.outcome for each in result.results] == ["passed", "failed", "passed"]


@pytest.mark.slow
async def test_a_target_that_loops_in_every_test_ends_soon_and_names_the_tests(project, opened):
    work = project({"lib.py": "def f(n):\n    while True:\n        pass\n", "test_lib.py": LOOPS})
    async with opened(work, test_timeout_seconds=1.0) as verifier:
        started = time.monotonic()
        found = await work.baseline(verifier, "lib.py", ["f"])
    assert time.monotonic() - started < 30  # the limit of a whole run is twice that
    assert [each.message.partition(":")[0] for each in found.verdict.results] == ["TestTimeout"] * 3
    assert len(found.judge.tests) == 3


@pytest.mark.slow
async def test_what_cannot_be_interrupted_ends_with_the_run_and_the_test_is_named(project, opened):
    work = project({"lib.py": STUB, "test_lib.py": LOOPS})
    async with opened(work, test_timeout_seconds=1.0) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        text = "def f(n):\n    return sum(range(10 ** 12)) if n == 2 else n\n"
        result = await verifier.run(found.judge, {work.root / "lib.py": text}, time_limit=3.0)
    assert result.timed_out
    assert result.reason == "the tests did not end within 3 s, while test_lib.py::test_that_loops was running"
    assert [each.outcome for each in result.results] == ["passed", "missing", "missing"]


@pytest.mark.slow
async def test_the_tests_import_of_an_installed_copy_is_told_with_its_path(project, opened, python):
    installed = "site/lib/words.py"
    work = project(
        {
            "src/lib/__init__.py": "",
            "src/lib/words.py": STUB,
            "site/lib/__init__.py": "",
            installed: STUB,
            "conftest.py": "import sys, pathlib\nsys.path.insert(0, str(pathlib.Path(__file__).parent / 'site'))\n",
            "test_lib.py": "from lib.words import f\n\ndef test_f():\n    try:\n        f(1)\n    except Exception:\n"
            "        pass\n",
        }
    )
    async with opened(work) as verifier:
        with pytest.raises(BrokenJudgeError) as caught:
            await work.baseline(verifier, "src/lib/words.py", ["f"])
    expected = (
        f"The tests import {work.root / installed}, not the file you are editing, {work.root / 'src/lib/words.py'}."
    )
    assert caught.value.what == expected


async def test_a_verdict_about_another_copy_is_none(project, opened):
    work = project(
        {
            "lib/__init__.py": "",
            "lib/words.py": STUB,
            "other/lib/__init__.py": "",
            "other/lib/words.py": "def f(n):\n    return n\n",
            "conftest.py": """
                import pathlib, sys
                if pathlib.Path("switch").exists():
                    sys.path.insert(0, "other")
                    import lib.words
                """,
            "test_lib.py": "from lib.words import f\n\ndef test_f():\n    assert f(1) == 1\n",
        }
    )
    async with opened(work) as verifier:
        found = await work.baseline(verifier, "lib/words.py", ["f"])
        work.write("switch", "")
        result = await work.verdict(verifier, found, "lib/words.py", "def f(n):\n    return 1\n")
    assert not result.passed
    assert result.reason == (
        f"the tests import {work.root / 'other/lib/words.py'}, not the file you are editing, "
        f"{work.root / 'lib/words.py'}"
    )


@pytest.mark.slow
async def test_tests_that_reach_it_in_a_process_of_their_own_are_found(project, opened, level):
    tests = """
        import multiprocessing, os, subprocess, sys
        from lib import f

        def test_in_a_child():
            done = subprocess.run([sys.executable, "-c", "import lib; print(lib.f(2))"], capture_output=True, text=True)
            assert done.stdout == "2\\n"

        def test_in_a_fork():
            here, there = multiprocessing.Pipe()
            child = multiprocessing.get_context("fork").Process(target=lambda: there.send(f(1)))
            child.start()
            child.join()
            assert here.poll() and here.recv() == 1

        def test_of_nothing():
            assert True
        """
    work = project({"lib.py": STUB, "test_lib.py": tests})
    async with opened(work, level) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        good = await work.verdict(verifier, found, "lib.py", "def f(n):\n    return n\n")
        bad = await work.verdict(verifier, found, "lib.py", "def f(n):\n    return 0\n")
    assert found.judge.tests == ("test_lib.py::test_in_a_child", "test_lib.py::test_in_a_fork")
    assert good.passed, good
    assert not bad.passed and bad.tests_passed == 0


async def runs_of(verifier):
    """Counts what the verifier runs from now on."""
    count = []
    execute = verifier._running.tests

    async def counted(*args, **named):
        count.append(1)
        return await execute(*args, **named)

    verifier._running.tests = counted
    return count


async def test_a_second_job_on_the_same_texts_runs_no_second_baseline(project, opened):
    tests = "from lib import f\nfrom helper import one\n\ndef test_f():\n    assert f(1) == one\n"
    files = {"lib.py": STUB, "helper.py": "one = 1\n", "test_lib.py": tests, "unrelated.py": ""}
    work = project(files)
    async with opened(work) as verifier:
        first = await work.baseline(verifier, "lib.py", ["f"])
    async with opened(work) as verifier:
        count = await runs_of(verifier)
        work.write("unrelated.py", "changed = 1\n")
        again = await work.baseline(verifier, "lib.py", ["f"])
        assert not count
        assert again.judge == first.judge and again.verdict.results == first.verdict.results
        assert again.verdict.cpu_seconds == 0.0 < first.verdict.cpu_seconds
        assert (await work.verdict(verifier, again, "lib.py", "def f(n):\n    return n\n")).passed


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lib.py", STUB + "\n# changed\n"),
        ("helper.py", "one = 2\n"),
        ("test_lib.py", "from lib import f\n\ndef test_g():\n    assert f(2) == 2\n"),
        ("conftest.py", ""),
        ("pytest.ini", "[pytest]\n"),
        ("pytest.toml", "[pytest]\n"),
    ],
    ids=["target", "imported module", "test file", "new conftest", "new configuration", "the same for pytest 9"],
)
@pytest.mark.slow
async def test_a_baseline_is_run_again_when_what_it_was_found_on_has_changed(project, opened, name, text):
    tests = "from lib import f\nfrom helper import one\n\ndef test_f():\n    assert f(1) == one\n"
    work = project({"lib.py": STUB, "helper.py": "one = 1\n", "test_lib.py": tests})
    async with opened(work) as verifier:
        await work.baseline(verifier, "lib.py", ["f"])
        count = await runs_of(verifier)
        work.write(name, text)
        await work.baseline(verifier, "lib.py", ["f"])
        assert count


async def test_tests_that_a_link_leads_to_outside_the_workspace_are_left_out(project, opened):
    tests = "from lib import f\n\ndef test_{}():\n    assert f(1) == 1\n"
    work = project({"lib.py": STUB, "pytest.ini": "[pytest]\ntestpaths = linked tests\n"})
    outside = work.root.parent / "outside"
    outside.mkdir()
    (outside / "test_far.py").write_text(tests.format("far"))
    (work.root / "linked").symlink_to(outside)
    async with opened(work) as verifier:
        with pytest.raises(NoTestsError, match=r"outside the workspace.*linked/test_far\.py"):
            await work.baseline(verifier, "lib.py", ["f"])
        work.write("tests/test_near.py", tests.format("near"))
        found = await work.baseline(verifier, "lib.py", ["f"])
    assert found.judge.tests == ("tests/test_near.py::test_near",)


async def test_a_target_that_a_link_leads_to_outside_the_workspace_is_none(project, opened):
    work = project({"test_lib.py": "from linked.lib import f\n\ndef test_it():\n    assert f(1) == 1\n"})
    outside = work.root.parent / "outside"
    outside.mkdir()
    (outside / "lib.py").write_text(STUB)
    (work.root / "linked").symlink_to(outside)
    async with opened(work) as verifier:
        with pytest.raises(SandboxError, match="outside the workspace") as told:
            await work.baseline(verifier, "linked/lib.py", ["f"])
    assert told.value.remedy


async def test_the_next_kind_of_nomination_is_run_where_the_first_reaches_nothing(project, opened):
    work = project(
        {
            "lib.py": STUB,
            "page.py": "import lib\n\ndef title(n):\n    return lib.f(n)\n",
            "test_words.py": "def test_it():\n    assert 'f'\n",
            "test_page.py": "from page import title\n\ndef test_title():\n    assert title(1) == 1\n",
        }
    )
    async with opened(work) as verifier:
        kinds = nominations(work.root, {}, work.root / "lib.py", ["f"])
        assert [path.name for path in next(kinds).files] == ["test_words.py"]
        with pytest.raises(NoTestsError):
            await work.baseline(verifier, "lib.py", ["f"])
        assert [path.name for path in next(kinds).files] == ["test_page.py"]
