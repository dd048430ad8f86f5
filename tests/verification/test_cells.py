"""What a cell does for the command it runs: texts in place of files, files out of sight, descriptors kept."""

import os
import socket
import sys
from pathlib import Path

import anyio
import pytest

from engine.verification.cell import Command, Limits
from engine.verification.confinement import open_cell
from engine.verification.environment import clean_environment

pytestmark = pytest.mark.anyio

SEEING = (sys.prefix, sys.base_prefix, str(Path(sys.executable).parent))


def command(root: Path, code: str, **options) -> Command:
    return Command(
        argv=(sys.executable, "-c", code), cwd=root, request="", environment=clean_environment(),
        limits=Limits(seconds=20.0), visible=tuple(map(Path, SEEING)), **options,
    )  # fmt: skip


@pytest.fixture
def work(project):
    return project({"lib.py": "the file\n", "tests/test_lib.py": "secret\n", "tests/deep/more.txt": "secret\n"})


async def lines_of(root: Path, level: str, *commands: Command) -> list[list[str]]:
    found: list[list[str]] = []
    async with await open_cell(root, level) as cell:
        for each in commands:
            lines: list[str] = []
            ended = await cell.run(each, lines.append)
            assert ended.status == 0, ended.output
            found.append(lines)
    return found


LOOK = """
import os
for name in ("lib.py", "new.py", "tests/test_lib.py", "tests/deep/more.txt"):
    print(open(name).read().strip() if os.path.exists(name) else "absent")
print(sorted(os.listdir("tests")) if os.path.isdir("tests") else "absent")
"""


async def test_texts_stand_in_the_place_of_files(work, level):
    texts = {work.root / "lib.py": "unsaved\n", work.root / "new.py": "new\n"}
    found = await lines_of(work.root, level, command(work.root, LOOK, overlays=texts))
    assert found[0][:3] == ["unsaved", "new", "secret"]
    assert work.read("lib.py") == "the file\n"


async def test_what_is_hidden_is_not_seen_by_this_command_alone(work, level):
    before = work.snapshot()
    hidden = (work.root / "lib.py", work.root / "tests", work.root / "is-not-there")
    found = await lines_of(work.root, level, command(work.root, LOOK, hidden=hidden), command(work.root, LOOK))
    assert found[0][:4] == ["absent"] * 4
    assert found[0][4] in ("absent", "[]")
    assert found[1] == ["the file", "absent", "secret", "secret", "['deep', 'test_lib.py']"]
    assert work.snapshot() == before


async def test_texts_can_stand_in_what_is_hidden(work, level):
    hidden = (work.root / "lib.py", work.root / "tests")
    texts = {work.root / "lib.py": "mine\n", work.root / "tests" / "test_lib.py": "also mine\n"}
    found = await lines_of(work.root, level, command(work.root, LOOK, hidden=hidden, overlays=texts))
    assert found[0] == ["mine", "absent", "also mine", "absent", "['test_lib.py']"]


async def test_two_commands_in_two_cells_talk_over_a_socket_pair(work, level):
    """Both ends are kept under their numbers, and the end of one command is seen by the other."""
    here, there = socket.socketpair()
    ask = f"import socket; s = socket.socket(fileno={here.fileno()}); s.sendall(b'6'); print(s.recv(9).decode())"
    answer = (
        f"import socket; s = socket.socket(fileno={there.fileno()}); s.sendall(b'%d' % (7 * int(s.recv(9))))\n"
        "print('end' if s.recv(9) == b'' else 'more')"
    )
    lines: dict[str, list[str]] = {"ask": [], "answer": []}

    async def run(name: str, code: str, own: socket.socket) -> None:
        async with await open_cell(work.root, level) as cell:
            ended = await cell.run(command(work.root, code, inherited=(own.fileno(),)), lines[name].append)
        assert ended.status == 0, ended.output

    with here, there, anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, "ask", ask, here)
            tasks.start_soon(run, "answer", answer, there)
            with anyio.fail_after(15):
                while not lines["ask"]:  # noqa: ASYNC110 - told by a callback
                    await anyio.sleep(0.02)
            here.close()  # ours; the command's own has gone with it
    assert lines == {"ask": ["42"], "answer": ["end"]}


async def test_no_other_descriptor_is_inherited(work, level):
    """Beyond the three standard ones, and those that the interpreter opens itself."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    try:
        code = f"import os\ntry: os.write({writer}, b'x')\nexcept OSError: print('closed')"
        assert await lines_of(work.root, level, command(work.root, code)) == [["closed"]]
    finally:
        os.close(reader)
        os.close(writer)
