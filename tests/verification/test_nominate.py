"""Nomination reads, and runs nothing: test files that mention the target, else those that import its module."""

import time

from engine.verification.nominate import nomination


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
    assert time.perf_counter() - started < 0.2  # a tenth of that on a quiet machine
