"""What tests see of the disk: the workspace, programs, their Python; and what the user's settings open."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pytest
from verification.test_confinement import running

from engine.errors import SandboxError
from engine.verification import namespaces, restricted
from engine.verification.cell import Command, Limits
from engine.verification.confinement import open_cell
from engine.verification.environment import clean_environment
from engine.verification.interpreter import probe
from engine.verification.sight import Openings, needed_by

pytestmark = pytest.mark.anyio
CLOSED = ("full", "partial")


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(params=CLOSED)
def closed(request, levels):
    """The levels that close anything."""
    if request.param not in levels:
        pytest.skip(f"the level {request.param} does not work on this machine")
    return request.param


async def said(
    root: Path, level: str, code: str, python: Path = Path(sys.executable), openings: Openings | None = None
) -> str:
    """What `code` prints in the workspace at `root`, run by `python`."""
    found = probe(python, "setting")
    command = Command(
        argv=(str(python), "-c", code), cwd=root, request="", limits=Limits(seconds=20.0), visible=needed_by(found),
        environment=clean_environment(found.environment_prefix, python),
    )  # fmt: skip
    lines: list[str] = []
    async with await open_cell(root, level, openings=openings) as cell:
        ended = await cell.run(command, lines.append)
    assert ended.status == 0, ended.output
    return "\n".join(lines)


def environment_in(folder: Path) -> Path:
    """A virtual environment of this test's Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    return folder / "bin" / "python"


def packages_of(python: Path) -> Path:
    return next(python.parent.parent.glob("lib/python3*/site-packages"))


async def test_of_the_home_folder_and_of_neighbours_nothing_is_seen(home, project, closed):
    (home / "notes.txt").write_text("mine")
    (home.parent / "neighbour").mkdir()
    (home.parent / "neighbour" / "x.txt").write_text("mine")
    root = project({"lib.py": ""}).root
    code = (
        "import os\nfor path in ('~', '../neighbour'):\n"
        "    try: print(os.listdir(os.path.expanduser(path)))\n    except OSError: print('closed')"
    )
    assert set((await said(root, closed, code)).split("\n")) <= {"[]", "closed"}


@pytest.mark.parametrize("place", ["home/.venvs/x", "work/.venv", "work/env"])
@pytest.mark.slow
async def test_a_virtual_environment_works_wherever_it_is(home, project, level, place):
    root = project({"lib.py": ""}).root
    python = environment_in(home.parent / place)
    (packages_of(python) / "inside.py").write_text("value = 'from the environment'\n")
    assert await said(root, level, "import inside; print(inside.value)", python) == "from the environment"


@pytest.mark.slow
async def test_an_interpreter_behind_links_in_the_home_folder_works(home, project, closed):
    """As uv installs it: the environment's link leads to a folder that is itself a link."""
    root = project({"lib.py": ""}).root
    python = environment_in(home / "pythons" / "cpython-3.x.y")
    (packages_of(python) / "inside.py").write_text("value = 'found'\n")
    (home / "pythons" / "cpython-3.x").symlink_to("cpython-3.x.y")
    (home / "python").symlink_to(home / "pythons" / "cpython-3.x" / "bin" / "python")
    through = home / "pythons" / "cpython-3.x" / "bin" / "python"
    assert await said(root, closed, "import inside; print(inside.value)", through) == "found"


@pytest.mark.slow
async def test_a_sibling_project_that_is_installed_as_editable_can_be_imported(home, project, level):
    """By a path in a `.pth` file, and by a finder that only `direct_url.json` tells of."""
    root = project({"lib.py": ""}).root
    python = environment_in(home / "env")
    for name in ("by_path", "by_finder"):
        (home / name).mkdir()
        (home / name / f"{name}.py").write_text(f"value = '{name}'\n")
    packages = packages_of(python)
    (packages / "one.pth").write_text(f"{home / 'by_path'}\n")
    (packages / "two.pth").write_text("import _finder_of_two\n")
    (packages / "_finder_of_two.py").write_text(
        "import sys\nfrom importlib.util import spec_from_file_location\n"
        "class Finder:\n    @staticmethod\n    def find_spec(name, path=None, target=None):\n"
        f"        place = {str(home / 'by_finder/by_finder.py')!r}\n"
        "        if name == 'by_finder': return spec_from_file_location(name, place)\n"
        "sys.meta_path.append(Finder)\n"
    )
    (packages / "two-1.dist-info").mkdir()
    (packages / "two-1.dist-info" / "direct_url.json").write_text(
        f'{{"url": "file://{home / "by_finder"}", "dir_info": {{"editable": true}}}}'
    )
    code = "import by_path, by_finder; print(by_path.value, by_finder.value)"
    assert await said(root, level, code, python) == "by_path by_finder"


async def test_in_a_copy_the_original_is_never_imported(home, project, levels):
    """Not by an editable project's finder, nor by a path that tests put together, nor in a child process."""
    root = project({"lib/target.py": "value = 'file'\n", "other/late.py": "value = 'file'\n"}).root
    python = environment_in(home / "env")
    packages = packages_of(python)
    (packages / "own.pth").write_text("import _finder_of_own\n")
    (packages / "_finder_of_own.py").write_text(
        "import sys\nfrom importlib.util import spec_from_file_location\n"
        "class Finder:\n    @staticmethod\n    def find_spec(name, path=None, target=None):\n"
        f"        if name == 'target': return spec_from_file_location(name, {str(root / 'lib/target.py')!r})\n"
        "sys.meta_path.append(Finder)\n"
    )
    found = probe(python, "setting")
    code = (
        f"import sys; sys.path.insert(0, {str(root / 'other')!r})\n"
        "import target, late; print(target.value, late.value)\n"
        "import subprocess; print(subprocess.check_output([sys.executable, '-c', 'import target; print(target.value)'])"
        ".decode().strip())"
    )
    texts = {root / "lib/target.py": "value = 'candidate'\n", root / "other/late.py": "value = 'candidate'\n"}
    for level in levels:
        lines: list[str] = []
        command = Command(
            argv=(str(python), "-c", code), cwd=root, request="", limits=Limits(seconds=20.0), overlays=texts,
            environment=clean_environment(found.environment_prefix, python), visible=needed_by(found),
        )  # fmt: skip
        async with await open_cell(root, level) as cell:
            ended = await cell.run(command, lines.append)
        assert lines == ["candidate candidate", "candidate"], (level, ended.output)


async def test_settings_open_folders_for_reading_and_for_writing(home, project, closed):
    root = project({"lib.py": ""}).root
    for name in ("data", "results"):
        (home / name).mkdir()
        (home / name / "kept.txt").write_text("kept")
    code = (
        "import pathlib\nfor name in ('data', 'results'):\n"
        f"    folder = pathlib.Path({str(home)!r}, name)\n    print((folder / 'kept.txt').read_text())\n"
        "    try: (folder / 'new.txt').write_text('new')\n    except OSError: print('not written')"
    )
    openings = Openings(read=(home / "data",), write=(home / "results",))
    assert await said(root, closed, code, openings=openings) == "kept\nnot written\nkept"
    assert (home / "results" / "new.txt").read_text() == "new"


@pytest.mark.parametrize("network", [False, True])
async def test_the_network_is_closed_unless_a_setting_opens_it(home, project, closed, network):
    root = project({"lib.py": ""}).root
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        asked = threading.Thread(target=lambda: server.accept()[0].sendall(b"hello") if network else None)
        asked.start()
        code = (
            "import socket\n"
            f"try: print(socket.create_connection({server.getsockname()!r}, 5).recv(9).decode())\n"
            "except OSError: print('closed')"
        )
        answer = await said(root, closed, code, openings=Openings(network=network))
        asked.join()
    assert answer == ("hello" if network else "closed")


async def test_below_the_least_level_nothing_runs_and_the_remedy_is_told(project, opened, monkeypatch):
    work = project({"lib.py": ""})

    async def never(root: Path) -> tuple[str, bool]:
        return "user namespaces are forbidden", False

    async def nor(root: Path) -> str:
        return "there is no Landlock"

    monkeypatch.setattr(namespaces, "why_not", never)
    async with opened(work) as verifier:
        assert verifier.level == "partial" and "user namespaces are forbidden" in verifier.level_detail
    with pytest.raises(SandboxError, match=r"namespaces are forbidden.*unshare -Ur true.*sandbox_least"):
        async with opened(work, sandbox_least="full"):
            pass
    monkeypatch.setattr(restricted, "why_not", nor)
    with pytest.raises(SandboxError, match="sandbox_least"):
        async with opened(work):
            pass
    async with opened(work, sandbox_least="limits-only") as verifier:
        assert verifier.level == "limits-only" and "NOT closed" in verifier.level_detail


async def test_a_watcher_whose_asker_is_killed_ends_the_command(project, closed):
    """Even by a signal that nothing can be done about."""
    root = project({"lib.py": ""}).root
    mark = f"greenfinch-test-{os.getpid()}-{closed}"
    script = (
        "import anyio, sys\nfrom pathlib import Path\nfrom engine.verification.cell import Command, Limits\n"
        "from engine.verification.confinement import open_cell\n"
        "async def main():\n"
        f"    command = Command(argv=('/bin/sh', '-c', 'echo on; sleep 60; : {mark}'), cwd=Path({str(root)!r}),\n"
        "                      request='', environment={}, limits=Limits(seconds=60.0))\n"
        f"    async with await open_cell(Path({str(root)!r}), {closed!r}) as cell:\n"
        "        await cell.run(command, lambda line: print(line, flush=True))\n"
        "anyio.run(main)\n"
    )
    asker = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
    assert asker.stdout and asker.stdout.readline() == "on\n"
    asker.kill()
    asker.communicate()
    with anyio.fail_after(2):
        while running(mark):  # noqa: ASYNC110 - another program tells of no event
            await anyio.sleep(0.05)
