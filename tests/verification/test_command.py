"""Any test command: what its JUnit XML says is the verdict, and how that is known is said honestly."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import asynccontextmanager

import pytest

from engine.config import Settings
from engine.errors import BrokenJudgeError, ConfigError, VacuousJudgeError
from engine.verification.agent.junit import NotJUnit, parse
from engine.verification.verifier import Verifier

pytestmark = pytest.mark.anyio

FILES = {
    "lib.py": "def f(n):\n    raise NotImplementedError\n\ndef g(n):\n    raise NotImplementedError\n",
    "test_lib.py": """
        import pytest
        from lib import f, g

        @pytest.mark.parametrize("n", [1, 2])
        def test_f(n):
            assert f(n) == n

        def test_g():
            assert g(1) == 1

        def test_else():
            assert True

        @pytest.mark.skip
        def test_skipped():
            assert f(1) == 2

        def test_broken_for_another_reason():
            assert 1 == 2
        """,
}
PYTEST = f"{sys.executable} -m pytest -q --junitxml={{junit}}"
GOOD = "def f(n):\n    return n\n\ndef g(n):\n    raise NotImplementedError\n"


@pytest.fixture
def commanded(python):
    @asynccontextmanager
    async def open_verifier(work, command, xml="", level=""):
        settings = Settings().updated(
            {"test_command": command, "test_command_xml": xml, "sandbox_least": "limits-only"}, source="test"
        )
        async with Verifier(work.root, python, settings, level=level) as verifier:
            yield verifier

    return open_verifier


@pytest.mark.slow
async def test_tests_that_reach_the_target_are_found_by_their_reports_and_the_others_must_not_break(
    project, commanded, level
):
    work = project(FILES)
    before = work.snapshot()
    async with commanded(work, PYTEST, level=level) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"], ["g"])
        good = await work.verdict(verifier, found, "lib.py", GOOD)
        bad = await work.verdict(verifier, found, "lib.py", GOOD.replace("return n", "return 1", 1))
        breaking = await work.verdict(verifier, found, "lib.py", GOOD + "\nimport test_lib\ndel test_lib.test_else\n")
    assert found.judge.framework == "command"
    assert found.judge.tests == ("test_lib::test_f[1]", "test_lib::test_f[2]", "test_lib::test_else")
    assert found.judge.blocked == {"test_lib::test_g": "g"}
    assert {test: reason.partition(":")[0] for test, reason in found.judge.excluded.items()} == {
        "test_lib::test_skipped": "skipped unconditional skip",
        "test_lib::test_broken_for_another_reason": "fails already, without reaching it",
    }
    assert found.judge.files == (work.root / "test_lib.py",)
    assert good.passed, good
    assert good.decided_by == "trusting your command"
    assert not bad.passed and bad.reason.startswith("1 of 3 tests do not pass; test_lib::test_f[2]: assert 1 == 2")
    assert not breaking.passed
    assert work.snapshot() == before


@pytest.mark.slow
async def test_reports_that_the_command_places_itself_are_read_and_old_ones_are_not(project, commanded):
    script = "import sys, subprocess\nsubprocess.call([sys.executable, '-m', 'pytest', '-q', '--junitxml=out/a.xml'])\n"
    work = project(
        {
            **FILES,
            "run.py": script,
            "out/old.xml": "<testsuite><testcase classname='old' name='gone'/></testsuite>",
        }
    )
    async with commanded(work, f"{sys.executable} run.py", "out/*.xml") as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"], ["g"])
        good = await work.verdict(verifier, found, "lib.py", GOOD)
    assert "old::gone" not in found.judge.tests
    assert good.passed, good
    assert (work.root / "out/old.xml").is_file()


@pytest.mark.slow
async def test_a_command_whose_reports_do_not_show_the_probe_is_judged_by_what_fails_now(project, commanded):
    runner = """
        import sys, traceback, lib
        cases = []
        for name in ("f", "g_absent"):
            try:
                assert lib.f(3) == 3 if name == "f" else True
                cases.append(f'<testcase name="{name}" time="0.1"/>')
            except Exception:
                cases.append(f'<testcase name="{name}"><failure/></testcase>')
        open(sys.argv[1], "w").write(f"<testsuites>{''.join(cases)}</testsuites>")
        """
    work = project({"lib.py": FILES["lib.py"], "run.py": runner})
    async with commanded(work, f"{sys.executable} run.py {{junit}}") as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        good = await work.verdict(verifier, found, "lib.py", GOOD)
        still = await work.verdict(verifier, found, "lib.py", FILES["lib.py"])
    assert found.judge.tests == ("f", "g_absent")
    assert found.warnings == (
        "the command's report does not show which tests reach the target: those that fail now decide",
    )
    assert good.passed and not still.passed


@pytest.mark.slow
async def test_make_where_make_is_installed(project, commanded):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    work = project({**FILES, "Makefile": f"test:\n\t@{sys.executable} -m pytest -q --junitxml=$(REPORT) test_lib.py\n"})
    async with commanded(work, "make test REPORT={junit}") as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"], ["g"])
        assert (await work.verdict(verifier, found, "lib.py", GOOD)).passed


@pytest.mark.slow
async def test_nodes_own_reporter_where_node_is_installed(project, commanded):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    runner = """
        const test = require('node:test'), assert = require('node:assert')
        const { execFileSync } = require('node:child_process')
        const f = n => execFileSync(process.env.PYTHON, ['-c', `import lib; print(lib.f(${n}))`], { encoding: 'utf8' })
        test('adds', () => assert.strictEqual(f(3), '3\\n'))
        test.describe('outer', () => {
          test('adds', () => assert.strictEqual(f(4), '4\\n'))
          test.skip('no', () => {})
        })
        """
    work = project({"lib.py": FILES["lib.py"], "lib.test.js": runner})
    command = f"env PYTHON={sys.executable} node --test --test-reporter=junit --test-reporter-destination={{junit}}"
    async with commanded(work, command) as verifier:
        found = await work.baseline(verifier, "lib.py", ["f"])
        good = await work.verdict(verifier, found, "lib.py", GOOD)
        bad = await work.verdict(verifier, found, "lib.py", GOOD.replace("return n", "return 3", 1))
    assert len(found.judge.tests) == 2
    assert good.passed, good
    assert not bad.passed and bad.tests_passed == 1


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("pass", "ended with status 0 and wrote no JUnit XML"),
        ("import sys; sys.exit(3)", "ended with status 3 and wrote no JUnit XML"),
        ("open(R, 'w').write('no xml')", "is no JUnit XML: it is no well-formed XML"),
        ("open(R, 'w').write('<html/>')", "its outermost element is <html>"),
        ("open(R, 'w').write('<testsuites/>')", "reported no test"),
        ("open(R, 'w').write('<!DOCTYPE a [<!ENTITY b \"c\">]><testsuites/>')", "a document type or entities"),
        ("open(R, 'wb').write(b'<testsuites>' + b' ' * (17 << 20))", "larger than 16 MiB"),
        ("import os; os.symlink('/etc/passwd', R)", "wrote no JUnit XML"),
    ],
    ids=["nothing", "status", "text", "html", "empty", "doctype", "large", "link"],
)
async def test_a_command_without_usable_results_is_an_error_that_says_why(project, commanded, script, reason):
    work = project({"lib.py": FILES["lib.py"], "run.py": f"import sys\nR = sys.argv[1]\n{script}\n"})
    async with commanded(work, f"{sys.executable} run.py {{junit}}") as verifier:
        with pytest.raises(BrokenJudgeError, match=reason):
            await work.baseline(verifier, "lib.py", ["f"])


async def test_a_command_that_is_not_there_is_an_error_that_says_so(project, commanded):
    work = project({"lib.py": FILES["lib.py"]})
    async with commanded(work, "no-such-program --junit {junit}") as verifier:
        with pytest.raises(BrokenJudgeError, match=r"could not be started: .*no-such-program"):
            await work.baseline(verifier, "lib.py", ["f"])


@pytest.mark.parametrize(
    ("command", "xml", "message"),
    [
        ("make test", "", "Nothing says where the report"),
        ("make 'test {junit}", "", "cannot be read"),
        ("make test", "/tmp/*.xml", "must stay in the workspace"),
        ("make test", "../*.xml", "must stay in the workspace"),
    ],
)
async def test_a_setting_that_cannot_work_is_refused_with_a_remedy(project, commanded, command, xml, message):
    work = project({"lib.py": FILES["lib.py"]})
    async with commanded(work, command, xml) as verifier:
        with pytest.raises(ConfigError, match=message) as caught:
            await work.baseline(verifier, "lib.py", ["f"])
    assert caught.value.remedy


async def test_a_command_that_passes_already_is_vacuous(project, commanded):
    work = project(
        {"lib.py": "def f(n):\n    return n\n", "test_lib.py": "import lib\n\ndef test():\n    assert lib.f(1)\n"}
    )
    async with commanded(work, PYTEST) as verifier:
        with pytest.raises(VacuousJudgeError):
            await work.baseline(verifier, "lib.py", ["f"])


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("<testsuites><testcase name='a' classname='test'/><testcase name='a' classname='test'/></testsuites>",
         [("test::a", "passed"), ("test::a#2", "passed")]),
        ("<testsuite><testsuite><testsuite><testcase name='a'><error message='E'/></testcase></testsuite></testsuite>"
         "<testcase name='b'><skipped/></testcase></testsuite>", [("a", "error"), ("b", "skipped")]),
        ("<testsuite><testcase name='a'><failure message='one&#10;two'>x</failure><system-out>y</system-out>"
         "<error>z</error></testcase></testsuite>", [("a", "error")]),
        ("<testsuite><testcase classname='c' name='' time='1,000.5'/><testcase name='n' status='notrun'/></testsuite>",
         [("c::", "passed"), ("n", "skipped")]),
        ("<testsuite xmlns='urn:x'><testcase name='a'><failure/></testcase></testsuite>", [("a", "failed")]),
        ("<testsuite><testcase name='a'><rerunFailure/><flakyFailure/></testcase></testsuite>", [("a", "passed")]),
        ("<testsuite><testcase name='a'><failure><testcase name='b'/></failure></testcase></testsuite>",
         [("a", "failed")]),
    ],
    ids=["flat and doubled", "nested", "several children", "odd attributes", "namespace", "reruns", "in a failure"],
)  # fmt: skip
def test_junit_xml_as_it_comes(xml, expected):
    assert [(case["id"], case["outcome"]) for case in parse(xml.encode())] == expected


def test_texts_of_failures_are_kept_and_bounded():
    (case,) = parse(
        b"<testsuite><testcase name='a'><failure message='m&#10;n'>"
        + b"x" * 9000
        + b"</failure></testcase></testsuite>"
    )
    assert case["message"] == "m" and case["detail"] == "x" * 4000


@pytest.mark.parametrize(
    "xml",
    [
        "<testsuites>" * 70 + "</testsuites>" * 70,
        "<testsuite>" + "<testcase name='a'/>" * 20_001 + "</testsuite>",
        "<!DOCTYPE testsuite SYSTEM 'file:///etc/passwd'><testsuite/>",
        "<testsuite>&undefined;</testsuite>",
        "",
        "<testsuite>",
    ],
    ids=["deep", "many", "external", "entity", "empty", "cut off"],
)
def test_what_no_report_needs_is_refused(xml):
    with pytest.raises(NotJUnit):
        parse(xml.encode())


@pytest.mark.slow
def test_verify_says_that_it_trusts_the_command(project, monkeypatch, capsys):
    from engine.cli.verify import verify

    work = project({**FILES, "candidate.py": "def f(n):\n    return n\n"})
    monkeypatch.setenv("GREENFINCH_TEST_COMMAND", PYTEST)
    monkeypatch.setenv("GREENFINCH_CONFIG", str(work.root / "none.toml"))
    place = [f"{work.root / 'lib.py'}:f", "--candidate", str(work.root / "candidate.py"), "--root", str(work.root)]
    with pytest.raises(SystemExit) as ended:
        verify.main([*place, "--python", sys.executable, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0, told
    assert told["accepted"] and told["decided_by"] == "trusting your command"
    assert "left out: test_lib::test_g (g)" in told["warnings"]
