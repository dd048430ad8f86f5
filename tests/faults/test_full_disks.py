"""Full disks, read-only folders, no temporary space: a clear word, nothing lost, and what needs no disk works."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.mounts import PROJECT, bound, can_mount, full, greenfinch, read_only, room, within
from faults.wire import SERVE, Wire
from lsp.projects import BAD, GOOD, STUB

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not can_mount(), reason="needs a mount namespace of its own")]

FULL = "No space left on device"
COPYING = pytest.mark.parametrize("level", ["partial", "limits-only"])


@pytest.fixture
def environment(tmp_path: Path, script) -> Iterator[dict[str, str]]:
    """Where everything has its place, and the model a script."""
    for name in ("home", "runs", "models"):
        (tmp_path / name).mkdir()
    run = tempfile.mkdtemp(prefix="gf-")  # a socket's path must be short
    yield {
        **script(GOOD), "HOME": str(tmp_path / "home"), "GREENFINCH_RUNS": str(tmp_path / "runs"),
        "GREENFINCH_MODELS": str(tmp_path / "models"), "XDG_RUNTIME_DIR": run,
        "GREENFINCH_PYTHON": sys.executable, "GREENFINCH_STRATEGY": "greedy",
    }  # fmt: skip
    shutil.rmtree(run, ignore_errors=True)


def moved(environment: dict[str, str], base: Path) -> dict[str, str]:
    """The environment for a command that sees `base` at PROJECT."""
    return {name: value.replace(str(base), str(PROJECT)) for name, value in environment.items()}


def outcome(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    assert found["event"] == "outcome", done.stderr
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_run_goes_on_without_its_record_and_says_so(project: Path, tmp_path: Path, environment) -> None:
    mounts = (full(tmp_path / "runs"),)
    target = f"{project}/words.py:slugify"
    found = outcome(greenfinch("implement", target, "--json", mounts=mounts, environment=environment))
    assert found["passed"] and found["record"] == "" and FULL in str(found["unrecorded"])
    shown = greenfinch("implement", target, mounts=mounts, environment=environment)
    assert shown.returncode == 0 and "not recorded" in shown.stdout and FULL in shown.stdout.replace("\n", " ")


def test_without_temporary_space_the_full_sandbox_works_and_nothing_is_put_into_the_project(
    project: Path, tmp_path: Path, environment
) -> None:
    before = names(project)
    mounts = (bound(tmp_path), full("/tmp"), full("/var/tmp"))
    done = greenfinch(
        "implement", f"{PROJECT}/project/words.py:slugify", "--json",
        mounts=mounts, environment=moved(environment, tmp_path), cwd=PROJECT / "project",
    )  # fmt: skip
    assert outcome(done)["passed"]
    assert names(project) == before


@COPYING
def test_without_temporary_space_a_copying_sandbox_says_what_to_do(
    project: Path, tmp_path: Path, environment, level: str
) -> None:
    before = names(project)
    mounts = (bound(tmp_path), read_only("/tmp"), full("/var/tmp"))
    done = greenfinch(
        "implement", f"{PROJECT}/project/words.py:slugify", mounts=mounts, level=level,
        environment=moved(environment, tmp_path), cwd=PROJECT / "project",
    )  # fmt: skip
    assert done.returncode == 2 and "no folder for temporary files can be written to" in done.stderr, done.stderr
    assert "set TMPDIR" in done.stderr and "Traceback" not in done.stderr
    assert names(project) == before and (project / "words.py").read_text() == STUB


@COPYING
def test_a_disk_that_fills_up_under_the_copy_is_told(project: Path, tmp_path: Path, environment, level: str) -> None:
    (project / "data.bin").write_bytes(b"x" * 1_000_000)
    (tmp_path / "small").mkdir()
    mounts = (room(tmp_path / "small", "300k"),)
    done = greenfinch(
        "implement", f"{project}/words.py:slugify", mounts=mounts, level=level,
        environment={**environment, "TMPDIR": str(tmp_path / "small")},
    )  # fmt: skip
    assert done.returncode == 2 and f"could not be made: {FULL}" in done.stderr, done.stderr
    assert "Make room" in done.stderr and "Traceback" not in done.stderr
    assert (project / "words.py").read_text() == STUB


def test_a_winner_that_does_not_fit_leaves_the_file_as_it_is(project: Path, tmp_path: Path, environment) -> None:
    (tmp_path / "disk").mkdir()
    copied = f"cp -r {project} {tmp_path}/disk/project"
    filled = f"cat /dev/zero > {tmp_path}/disk/filler 2>/dev/null || true"
    target = f"{tmp_path}/disk/project/words.py"
    read = f'"$@" || echo "status $?" >&2; cat {target}; ls -a {tmp_path}/disk/project >&2; exit 0'
    mounts = (room(tmp_path / "disk", "256k"), copied, filled, f"set -- sh -c '{read}' sh \"$@\"")
    done = greenfinch("implement", f"{target}:slugify", "--apply", mounts=mounts, environment=environment)
    assert "status 2" in done.stderr and f"words.py cannot be written: {FULL}" in done.stderr, done.stderr
    assert done.stdout.endswith(STUB) and ".words.py." not in done.stderr


def test_a_read_only_home_takes_nothing_but_what_has_to_be_kept_there(
    project: Path, tmp_path: Path, environment
) -> None:
    mounts = (read_only(tmp_path / "home"),)
    kept = ("HOME", "GREENFINCH_SCRIPT", "GREENFINCH_PYTHON", "XDG_RUNTIME_DIR")
    at_home = {name: environment[name] for name in kept}
    done = greenfinch(
        "implement", f"{project}/words.py:slugify", "--json", mounts=mounts, environment=at_home
    )  # fmt: skip
    found = outcome(done)
    assert found["passed"] and "Read-only file system" in str(found["unrecorded"])
    listed = greenfinch("runs", "list", mounts=mounts, environment=at_home)
    assert listed.returncode == 0 and "Traceback" not in listed.stderr
    pulled = greenfinch("models", "pull", "qwen2.5-coder-0.5b", mounts=mounts, environment=at_home)
    assert pulled.returncode == 2 and "cannot be written: Read-only file system" in pulled.stderr, pulled.stderr
    assert "GREENFINCH_MODELS" in pulled.stderr


def test_the_server_works_while_every_disk_of_its_user_is_full(project: Path, tmp_path: Path, script) -> None:
    places = [tmp_path / name for name in ("cache", "state", "config")]
    for place in places:
        place.mkdir()
    wire = Wire(project, script(BAD, GOOD), command=(*within(*map(full, places)), *SERVE))
    try:
        capabilities = {"workspace": {"applyEdit": True}, "window": {"showDocument": {"support": True}}}
        wire.initialize(capabilities, strategy="greedy")
        uri = wire.open("words.py")

        def implemented() -> str:
            job = wire.command("greenfinch.implement", {"uri": uri, "qualname": "slugify"})["job"]
            wire.until(lambda: state(job) != "running", 60)
            return state(job)

        def state(job: str) -> str:
            return next(e["state"] for e in wire.command("greenfinch.status")["jobs"] if e["job"] == job)

        assert implemented() == "not passed"
        logged = [note["params"]["message"] for note in wire.notes if note["method"] == "window/logMessage"]
        assert any("Best attempt" in message and FULL in message for message in logged)  # its report, not in a file
        script(GOOD)
        assert implemented() == "passed"
        assert wire.close() == 0
        assert "Traceback" not in wire.log.read_text()
    finally:
        wire.kill()


_FOLDER = """
import sys
from pathlib import Path
from engine.config import Settings
from engine.generation.launch import socket_path
print(socket_path(Path(sys.argv[1]), Settings()))
"""
_PREPARE = """
import sys, anyio
from engine.config import Settings
from engine.errors import HostError
from engine.generation.local import LocalGenerator
async def main():
    try:
        await LocalGenerator(Settings(model=sys.argv[1])).prepare()
    except HostError as error:
        print(error)
anyio.run(main)
"""


def program(text: str, *arguments: str, mounts: tuple[str, ...], environment: dict[str, str]) -> str:
    command = [*within(*mounts), sys.executable, "-P", "-c", text, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_socket_folder_that_cannot_be_written_is_passed_over(tmp_path: Path, environment) -> None:
    (tmp_path / "any.gguf").write_bytes(b"GGUF")
    run = environment["XDG_RUNTIME_DIR"]
    mounts = (room(run, "64k"), f"mkdir -m 700 {run}/greenfinch", f"mount -o remount,ro {run}")
    found = program(_FOLDER, str(tmp_path / "any.gguf"), mounts=mounts, environment=environment)
    assert found.strip() and not found.startswith(run), found


def test_a_socket_folder_without_room_is_told(tmp_path: Path, environment) -> None:
    (tmp_path / "any.gguf").write_bytes(b"GGUF" + bytes(64))
    run = environment["XDG_RUNTIME_DIR"]
    mounts = (room(run, "64k", ",nr_inodes=2"), f"mkdir -m 700 {run}/greenfinch")
    told = program(_PREPARE, str(tmp_path / "any.gguf"), mounts=mounts, environment=environment)
    assert FULL in told and "could not be started" in told and "XDG_RUNTIME_DIR" in told, told
