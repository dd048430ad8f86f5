"""Nomination reads, and runs nothing: test files that mention the target, else those that import its module."""

import time

import pytest

from engine.verification.configuration import CONFIG_FILES
from engine.verification.frameworks import folder_of
from engine.verification.nominate import nomination, nominations


def names(work, found):
    return [path.relative_to(work.root).as_posix() for path in found.files]


def test_files_that_mention_the_target_are_nominated(project):
    work = project(
        {
            "lib.py": "def slug(): ...",
            "conftest.py": "from lib import slug",
            "test_a.py": "from lib import slug",
            "test_b.py": "import lib",
            "test_c.py": "sluggish = 1",
            "more/b_test.py": "lib.slug()",
            "tests.py": "slug",
            "helper.py": "slug",
        }
    )
    found = nomination(work.root, {}, work.root / "lib.py", ["slug"])
    assert names(work, found) == ["more/b_test.py", "test_a.py", "tests.py"]
    assert found.why == "name"


def test_a_method_is_nominated_by_its_class_and_failing_that_by_its_own_name(project):
    work = project({"lib.py": "", "test_a.py": "Stack()", "test_b.py": "make().push(1)"})
    target = work.root / "lib.py"
    assert names(work, nomination(work.root, {}, target, ["Stack.push"])) == ["test_a.py"]
    assert names(work, nomination(work.root, {}, target, ["Pile.push"])) == ["test_b.py"]


def test_without_a_mention_the_importers_of_the_module_are_nominated(project):
    work = project(
        {
            "src/pile/__init__.py": "",
            "src/pile/stack.py": "",
            "test_a.py": "from pile.stack import other",
            "test_b.py": "from pile import stack",
            "test_c.py": "import pile.stack as s",
            "test_d.py": "import haystack",
        }
    )
    found = nomination(work.root, {}, work.root / "src/pile/stack.py", ["hidden"])
    assert names(work, found) == ["test_a.py", "test_b.py", "test_c.py"]
    assert found.why == "module"
    found = nomination(work.root, {}, work.root / "src/pile/__init__.py", ["hidden"])
    assert names(work, found) == ["test_b.py", "test_c.py"]


def test_unsaved_texts_override_the_disk(project):
    work = project({"lib.py": "", "test_a.py": "slug", "test_b.py": ""})
    buffers = {work.root / "test_a.py": "", work.root / "test_b.py": "slug", work.root / "test_new.py": "slug"}
    assert names(work, nomination(work.root, buffers, work.root / "lib.py", ["slug"])) == ["test_b.py", "test_new.py"]


def test_pytests_own_configuration_is_heeded(project):
    work = project(
        {
            "pyproject.toml": '[tool.pytest.ini_options]\npython_files = ["check_*.py"]\ntestpaths = ["checks"]\n',
            "lib.py": "",
            "checks/check_a.py": "slug",
            "old/test_old.py": "slug",
        }
    )
    assert names(work, nomination(work.root, {}, work.root / "lib.py", ["slug"])) == ["checks/check_a.py"]


@pytest.mark.parametrize("name", ["pytest.toml", ".pytest.toml"])
def test_the_configuration_of_pytest_9_goes_before_others(project, name):
    work = project(
        {
            name: '[pytest]\npython_files = ["check_*.py"]\ntestpaths = ["checks"]\n',
            "pytest.ini": "[pytest]\ntestpaths = old\n",
            "lib.py": "",
            "checks/check_a.py": "slug",
            "old/test_old.py": "slug",
        }
    )
    assert names(work, nomination(work.root, {}, work.root / "lib.py", ["slug"])) == ["checks/check_a.py"]


@pytest.mark.parametrize("name", CONFIG_FILES)
def test_tests_run_in_the_folder_whose_configuration_is_pytests(project, name):
    section = {"pyproject.toml": "[tool.pytest.ini_options]", "setup.cfg": "[tool:pytest]"}.get(name, "[pytest]")
    work = project({f"part/{name}": f"{section}\n", f"part/tests/{name}": "[other]\n", "part/tests/test_a.py": ""})
    assert folder_of([work.root / "part/tests/test_a.py"], {}, work.root) == work.root / "part"


def test_folders_that_are_not_the_users_code_are_left_out_and_so_is_the_target_itself(project):
    work = project(
        {
            "test_lib.py": "slug",
            "venv/lib/test_a.py": "slug",
            "env3/pyvenv.cfg": "",
            "env3/test_b.py": "slug",
            ".hidden/test_c.py": "slug",
            "node_modules/test_d.py": "slug",
            "test_real.py": "slug",
        }
    )
    found = nomination(work.root, {}, work.root / "test_lib.py", ["slug"])
    assert names(work, found) == ["test_real.py"]
    nothing = nomination(work.root, {}, work.root / "test_lib.py", ["nothing"])
    assert nothing.files == () and nothing.looked_in.startswith("1 test file (test_*.py")


def test_a_project_of_a_thousand_files_is_answered_quickly_once_it_was_read(project):
    files = {f"package{n % 50}/module{n}.py": "value = 1\n" for n in range(800)}
    files |= {f"tests/part{n % 10}/test_{n}.py": "def test_it():\n    pass\n" * 20 for n in range(200)}
    work = project({**files, "tests/test_slug.py": "slug"})
    nomination(work.root, {}, work.root / "lib.py", ["slug"])
    started = time.perf_counter()
    found = nomination(work.root, {}, work.root / "lib.py", ["slug"])
    assert names(work, found) == ["tests/test_slug.py"]
    assert time.perf_counter() - started < 2  # a hundredth of that on a quiet machine


def test_a_fixture_or_a_helper_of_the_tests_that_mentions_the_target_counts_as_a_mention(project):
    work = project(
        {
            "src/pile/words.py": "def slug(text): ...\n",
            "tests/conftest.py": """
                import pytest
                from pile.words import slug
                from tests.checking import check_all

                @pytest.fixture(name="made")
                def make_it():
                    return slug("a")

                @pytest.fixture
                def twice(made):
                    return made * 2

                @pytest.fixture
                def other():
                    return 1
                """,
            "tests/checking.py": "from pile.words import slug\n\nclass Checks:\n    def go(self):\n        slug(1)\n",
            "tests/test_direct.py": "from pile.words import slug",
            "tests/test_fixture.py": "def test_it(made):\n    assert made\n",
            "tests/deep/test_twice.py": "def test_it(twice):\n    assert twice\n",
            "tests/test_other.py": "def test_it(other):\n    assert other\n",
            "tests/test_helper.py": "from .checking import Checks\n\nclass TestIt(Checks):\n    pass\n",
            "tests/test_same_word.py": "class Checks:\n    pass\n",
            "elsewhere/test_out_of_its_reach.py": "def test_it(made):\n    pass\n",
        }
    )
    found = nomination(work.root, {}, work.root / "src/pile/words.py", ["slug"])
    assert names(work, found) == [
        "tests/deep/test_twice.py", "tests/test_direct.py", "tests/test_fixture.py", "tests/test_helper.py",
    ]  # fmt: skip
    assert found.why == "name"


def test_tests_that_reach_it_through_other_functions_come_next_then_the_importers_then_texts(project):
    work = project(
        {
            "src/pile/__init__.py": "",
            "src/pile/words.py": "def slug(text): ...\n",
            "src/pile/page.py": "from .words import slug as made\n\ndef title(text):\n    return made(text)\n",
            "src/pile/site.py": "from pile.page import title\n\nclass Site:\n    def show(self):\n        title(1)\n",
            "src/pile/words_too.py": "from pile.words import *\n",
            "tests/test_site.py": "from pile.site import Site\n",
            "tests/test_title.py": "def test_it():\n    title = 1\n",
            "tests/test_module.py": "import pile.words\n",
            "tests/test_far.py": "from pile import words_too\n",
            "tests/test_stranger.py": "import json\n",
            "docs/usage.rst": "Words\n-----\n\n>>> slug('a b')\n'a-b'\n",
            "docs/about.rst": "slug\n",
        }
    )
    found = list(nominations(work.root, {}, work.root / "src/pile/words.py", ["slug"]))
    assert [(each.why, names(work, each)) for each in found] == [
        ("call", ["tests/test_site.py"]),
        ("module", ["tests/test_module.py"]),
        ("imports", ["tests/test_far.py"]),
        ("text", ["docs/usage.rst"]),
    ]


def test_imports_over_several_lines_and_relative_ones_are_followed(project):
    work = project(
        {
            "pile/words.py": "",
            "pile/deep/part.py": "from ..words import (\n    first,\n    second,\n)\n",
            "pile/tests/test_a.py": "from pile.deep import (\n    part,  # the one\n)\n",
            "pile/tests/test_b.py": "from ..words import first\n",
            "pile/tests/test_c.py": "from .words import first\n",
        }
    )
    found = list(nominations(work.root, {}, work.root / "pile/words.py", ["hidden"]))
    assert [(each.why, names(work, each)) for each in found] == [
        ("module", ["pile/tests/test_b.py"]),
        ("imports", ["pile/tests/test_a.py"]),
    ]


def test_five_thousand_files_are_followed_within_seconds_and_answered_at_once_when_a_test_mentions_it(project):
    files = {
        f"package{n % 90}/module{n}.py": f"import package{n % 7}.module{n % 7}\n\nvalue = {n}\n" for n in range(4_500)
    }
    files |= {f"tests/part{n % 10}/test_{n}.py": "def test_it():\n    pass\n" * 20 for n in range(500)}
    work = project({**files, "tests/test_direct.py": "slug", "tests/test_far.py": "from package3 import module3"})
    target = work.root / "package3/module3.py"
    started = time.perf_counter()
    assert names(work, nomination(work.root, {}, target, ["slug"])) == ["tests/test_direct.py"]
    first = time.perf_counter() - started
    started = time.perf_counter()
    nomination(work.root, {}, target, ["slug"])
    again = time.perf_counter() - started
    started = time.perf_counter()
    assert names(work, nomination(work.root, {}, target, ["hidden"])) == ["tests/test_far.py"]
    through_all = time.perf_counter() - started
    print(f"first {first:.2f} s, again {again:.2f} s, through all files {through_all:.2f} s")
    assert first < 2.0 and again < 0.5 and through_all < 5.0  # a quarter of that on a quiet machine


def test_a_test_file_full_of_data_is_read_and_one_that_is_too_large_is_told_of(project):
    data = "ROWS = [\n" + "    'row of data',\n" * 200_000 + "]\n"  # 4 MB
    work = project({"lib.py": "def slug(): ...", "test_data.py": f"{data}\nfrom lib import slug"})
    found = nomination(work.root, {}, work.root / "lib.py", ["slug"])
    assert names(work, found) == ["test_data.py"]
    with (work.root / "test_data.py").open("a") as file:
        file.write(data * 4)
    found = nomination(work.root, {}, work.root / "lib.py", ["slug"])
    assert found.files == ()
    assert found.looked_in.endswith("1 of them not read: larger than 16 MiB")
