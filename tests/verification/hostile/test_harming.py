"""Candidates that mean harm: none gets anything done at the level `full`; elsewhere it is counted which do."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import anyio
import pytest
from verification.hostile import harm
from verification.test_ordinary_user import NOBODY, python_for_everybody

EVERYTHING = harm.names()
HANDFUL = [
    "bomb_of_processes", "call_abstract_socket", "connect_by_tcp", "delete_workspace", "fill_disk", "kill_another",
    "memory_of_many", "print_one_line_without_end", "read_environment_of_all", "read_home", "stay_as_daemon",
    "write_through_links",
]  # fmt: skip
NOT_HELD = {"full": set(), "partial": {"change_modes"}}
HELD_BY_LIMITS = {"read_environment", "memory_of_one", "make_huge_file", "stay_as_daemon", "stay_deaf", "stay_asleep",
                  "print_without_end", "print_one_line_without_end", "print_errors_without_end"}  # fmt: skip


def test_there_are_enough_of_them_and_each_says_what_it_tries():
    assert len(EVERYTHING) >= 30
    for name in EVERYTHING:
        assert (harm.CANDIDATES / f"{name}.py").read_text().startswith('"""'), name


@pytest.mark.parametrize("level", ["full", pytest.param("partial", marks=pytest.mark.slow)])
def test_a_handful_of_candidates_harms_nothing(tmp_path, levels, level):
    if level not in levels:
        pytest.skip(f"the level {level} does not work on this machine")
    found = anyio.run(harm.run, tmp_path, level, HANDFUL)
    assert {name: did for name, did in found.items() if did} == {}


@pytest.mark.slow
def test_a_handful_of_candidates_harms_nothing_in_forks_of_the_warm_server(tmp_path, levels):
    if "full" not in levels:
        pytest.skip("there is no warm server below the level full")
    found = anyio.run(harm.run_warm, tmp_path, HANDFUL)
    assert {name: did for name, did in found.items() if did} == {}


def told(found: dict[str, list[str]], level: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The names of those that did harm; the table is printed whether the test passes or not."""
    harmful = {name: did for name, did in found.items() if did}
    with capsys.disabled():
        print(f"\n{level}: {len(found) - len(harmful)} of {len(found)} harming candidates contained")
        for name, did in harmful.items() if level != "limits-only" else ():
            print(f"  {name}: {'; '.join(did)}")
    return set(harmful)


@pytest.mark.slow
def test_what_every_level_contains(tmp_path, levels, level, capsys):
    # those that limits hold come first: what others let loose there (a storm of processes) would be laid to their door
    chosen = sorted(EVERYTHING, key=lambda name: name not in HELD_BY_LIMITS)
    found = anyio.run(harm.run, tmp_path, level, chosen)
    harmful = told(found, level, capsys)
    if level == "limits-only":
        assert {name: found[name] for name in HELD_BY_LIMITS if found[name]} == {}
        assert "read_home" in harmful, "it holds more than it says, or the canaries are dead"
    else:
        assert harmful <= NOT_HELD[level]


@pytest.mark.slow
def test_what_the_forks_of_the_warm_server_contain(tmp_path, levels, capsys):
    if "full" not in levels:
        pytest.skip("there is no warm server below the level full")
    chosen = [name for name in EVERYTHING if name != "use_inherited_descriptors"]  # pytest itself has opened some
    assert told(anyio.run(harm.run_warm, tmp_path, chosen), "full, warm", capsys) == set()


@pytest.mark.slow
@pytest.mark.parametrize("level", ["full", "partial"])
def test_nothing_is_harmed_for_an_ordinary_user(levels, level, capsys):
    """Root may more, but some limits hold for others only."""
    if level not in levels:
        pytest.skip(f"the level {level} does not work on this machine")
    options = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        python, packages = python_for_everybody(folder)
        shutil.copytree(Path(harm.__file__).parent, folder / "hostile")
        world = folder / "world"
        world.mkdir()
        if options:
            os.chown(world, NOBODY, NOBODY)
        done = subprocess.run(
            [python, str(folder / "hostile" / "harm.py"), str(world), level],
            env={"PATH": os.defpath, "HOME": name, "PYTHONPATH": packages}, cwd=folder,
            capture_output=True, text=True, check=False, timeout=250, **options,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert told(found, f"{level}, user {NOBODY if options else os.getuid()}", capsys) <= NOT_HELD[level]
