"""Promise 2: until the edit is applied, nothing in the user's tree changes, whatever the tests and candidates do."""

import pytest
from promises.workspace import GOOD, MODULE, TESTS

pytestmark = pytest.mark.anyio

LITTERING = (
    TESTS
    + """

def test_that_writes(tmp_path):
    import pathlib
    pathlib.Path("left-behind.txt").write_text("x")
    pathlib.Path(__file__).with_name("beside.txt").write_text("x")
    pathlib.Path("words.py").write_text("overwritten")
    pathlib.Path("data").mkdir(exist_ok=True)
    pathlib.Path("data/new").write_text("x")
    (tmp_path / "fine").write_text("x")
    assert slugify("a") == "a"
"""
)


async def test_what_tests_write_never_reaches_the_tree(workspace, sandbox):
    workspace.write("test_words.py", LITTERING)
    workspace.write("data/kept", "as it is")
    before = workspace.hashes()
    outcome = await workspace.implement(GOOD)
    assert outcome.passed, outcome.reason
    assert workspace.hashes() == before


async def test_what_candidates_write_never_reaches_the_tree(workspace, sandbox):
    before = workspace.hashes()
    body = "    import shutil\n    open('words.py', 'w').write('')\n    shutil.rmtree('.', ignore_errors=True)\n" + GOOD
    await workspace.implement(body, strategy="greedy")
    assert workspace.hashes() == before


@pytest.mark.slow
async def test_absolute_paths_are_no_way_out(workspace):
    """A copy cannot promise it, and says so."""
    before = workspace.hashes()
    body = f"    open({str(workspace.module)!r}, 'w').write('gone')\n" + GOOD
    await workspace.implement(body, strategy="greedy")
    assert workspace.hashes() == before


async def test_the_editors_unsaved_buffers_are_what_is_tested(workspace, sandbox):
    workspace.write("words.py", "def slugify(title):\n    raise RuntimeError('the file on disk')\n")
    workspace.write("test_words.py", "raise RuntimeError('the file on disk')\n")
    before = workspace.hashes()
    workspace.buffers[workspace.module] = MODULE
    workspace.buffers[workspace.root / "test_words.py"] = TESTS
    workspace.buffers[workspace.root / "not_saved_yet.py"] = "SEPARATOR = '-'\n"
    body = "    from not_saved_yet import SEPARATOR\n    return SEPARATOR.join(title.lower().split())\n"
    outcome = await workspace.implement(body)
    assert outcome.passed, outcome.reason
    assert outcome.base == MODULE
    assert workspace.hashes() == before
