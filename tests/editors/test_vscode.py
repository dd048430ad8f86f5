"""Greenfinch in the real VS Code: the packed extension, the real extension host, the real server.

One session plays most scenarios with the scripted generator; others differ in what VS Code is told, or in the model.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from editors.vscode.code_server import HERE, VSIX, CodeServer, Seen, pack, stale
from editors.workspace import SERVER, passes_tests
from lsp.projects import BAD, GOOD, STUB, TESTS

from engine.models import catalogue, store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

GEOMETRY = {
    "pyproject.toml": '[project]\nname = "geometry"\nversion = "1"\n',
    "geometry/__init__.py": "",
    "geometry/units.py": "def unit(value):\n    return int(value)\n",
    "geometry/area.py": "from geometry.units import unit\n\n\ndef double(value):\n    '''Twice it.'''\n    ...\n",
    "tests/test_area.py": "from geometry.area import double\n\n\ndef test_double():\n    assert double('3') == 6\n",
}
STORAGE = "data/User/globalStorage/greenfinch.greenfinch"
PICTURES = ("light-bulb", "progress", "preview", "applied", "report")
SCRIPTED = (
    "attach", "listed", "implement", "command", "wholeClass", "cancel", "failing", "unsaved", "secondFolder",
    "lastRun", "lenses", "interpreter", "settings", "folderSettings", "doctor", "crash",
)  # fmt: skip


def words(root: Path) -> Path:
    """A project with a module of stubs and its tests."""
    root.mkdir(parents=True)
    (root / "pyproject.toml").write_text('[project]\nname = "words"\nversion = "1"\n')
    (root / "words.py").write_text(STUB)
    (root / "test_words.py").write_text(TESTS)
    return root


@pytest.fixture(scope="module")
def code(editor_home: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> CodeServer:
    """The editor with the packed extension, the probe, and a stand-in for the Python extension."""
    editor_home("vscode")
    if changed := stale():
        pytest.fail(f"{changed} has changed since the extension was packed: `npm run package` in editors/vscode")
    folder = tmp_path_factory.mktemp("code")
    editor = CodeServer(folder)
    editor.put_on_path(Path(SERVER).parent)
    editor.install(VSIX, *(pack(HERE / part, folder / f"{part}.vsix") for part in ("probe", "python_extension")))
    return editor


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second environment in which the same packages are found."""
    folder = tmp_path_factory.mktemp("python") / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(next(path for path in sys.path if path.endswith("site-packages")))
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def project(code: CodeServer) -> Path:
    return words(code.folder / "projects" / "words")


@pytest.fixture(scope="module")
def geometry(code: CodeServer) -> Path:
    root = code.folder / "projects" / "geometry"
    for name, text in GEOMETRY.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture(scope="module")
def scripted(code: CodeServer, project: Path, geometry: Path, other_python: Path) -> Seen:
    """One session in a workspace of two folders, with a generator that says what each scenario tells it."""
    workspace = code.folder / "both.code-workspace"
    workspace.write_text(json.dumps({"folders": [{"path": str(project)}, {"path": str(geometry)}]}))
    script = code.folder / "scripted" / "script.json"
    return code.session(
        "scripted",
        workspace,
        scenarios=SCRIPTED,
        plan={"good": GOOD, "bad": BAD, "otherPython": str(other_python)},
        environment={"GREENFINCH_SCRIPT": str(script), "GREENFINCH_PROBE_PYTHON": sys.executable},
    )


def program(folder: Path, does: str) -> Path:
    """An executable `greenfinch` that is a line of shell."""
    command = folder / "greenfinch"
    command.write_text(f"#!/bin/sh\n{does}\n")
    command.chmod(0o755)
    return command


def scenario(seen: Seen, name: str) -> dict[str, Any]:
    found = seen.scenarios[name]
    assert "error" not in found, found["error"]
    return found


def test_the_server_attaches(scripted: Seen) -> None:
    seen = scenario(scripted, "attach")
    assert seen["active"] and seen["attached"] and seen["servers"] == 1


def test_actions_are_listed_with_their_titles(scripted: Seen) -> None:
    seen = scenario(scripted, "listed")
    title, rewrite = "Generate & verify implementation", "refactor.rewrite.greenfinch"
    assert seen["function"] == [{"title": title, "kind": "quickfix"}]  # one line in the light bulb's menu
    assert seen["refactor"] == [{"title": title, "kind": rewrite}]
    assert seen["class"][0]["title"] == "Implement all stubs in this class"
    assert seen["file"][0]["title"] == "Implement all stubs in this file"
    assert [action["kind"] for action in seen["done"]] == [rewrite]  # it has a body: nothing to fix


def test_a_run_shows_its_progress_and_ends_in_a_text_on_which_the_tests_pass(scripted: Seen, project: Path) -> None:
    seen = scenario(scripted, "implement")
    assert seen["end"]["state"] == "passed" and "2/2 tests pass" in seen["end"]["message"]
    shown = [*seen["end"]["lines"], *scripted.toasts]
    assert any(re.search(r"\d+/64 tried, best 1/2 tests", line) for line in shown)
    assert seen["after"] != seen["before"] == seen["saved"]
    assert not passes_tests(project, {}, "-k", "slugify")
    assert passes_tests(project, {"words.py": seen["after"]}, "-k", "slugify")
    assert scripted.toast("slugify: 2/2 tests pass")
    assert any("Greenfinch: slugify" in text and "Cancel" in text for text in scripted.toasts)


def test_a_single_undo_restores_the_text(scripted: Seen) -> None:
    for name in ("implement", "wholeClass", "unsaved", "secondFolder"):
        seen = scenario(scripted, name)
        assert seen["undone"] == seen["before"] != seen["after"]


def test_the_command_implements_what_the_cursor_is_on(scripted: Seen) -> None:
    seen = scenario(scripted, "command")
    assert seen["end"]["state"] == "passed" and GOOD.strip() in seen["after"]


def test_a_whole_class_is_implemented_at_once(scripted: Seen, project: Path) -> None:
    seen = scenario(scripted, "wholeClass")
    assert seen["end"]["state"] == "passed"
    assert passes_tests(project, {"words.py": seen["after"]}, "-k", "box")


def test_cancel_stops_the_run_and_changes_nothing(scripted: Seen) -> None:
    seen = scenario(scripted, "cancel")
    assert seen["end"]["state"] == "cancelled" and seen["unchanged"]
    assert set(seen["offered"]) == {"Cancel: slugify"}


def test_a_run_in_vain_shows_its_report_beside_the_code(scripted: Seen) -> None:
    seen = scenario(scripted, "failing")
    assert seen["end"]["state"] == "not passed" and seen["unchanged"]
    assert seen["shown"]["view"] == "vscode.markdown.preview.editor"
    assert "# Greenfinch: `slugify` is as it was" in seen["report"]
    assert "1/2 tests" in seen["report"] and "test_slugify_joins_words" in seen["report"]
    assert scripted.toast("slugify: ")


def test_unsaved_buffers_are_what_gets_tested(scripted: Seen, project: Path) -> None:
    seen = scenario(scripted, "unsaved")
    assert seen["end"]["state"] == "passed" and seen["stillDirty"]
    assert '"_".join' in seen["after"]  # on the disk's tests the first reply would have passed
    assert seen["tests"] == TESTS and (project / "words.py").read_text() == STUB


def test_the_second_folder_of_a_workspace_has_its_own_tests(scripted: Seen, geometry: Path) -> None:
    seen = scenario(scripted, "secondFolder")
    assert seen["end"]["state"] == "passed"
    assert passes_tests(geometry, {"geometry/area.py": seen["after"]})


def test_the_last_run_is_shown_as_a_page(scripted: Seen) -> None:
    seen = scenario(scripted, "lastRun")
    assert seen["shown"]["view"] == "vscode.markdown.preview.editor"
    assert "double" in seen["page"]


def test_code_lenses_count_the_tests_of_stubs_once_they_are_wanted(scripted: Seen) -> None:
    seen = scenario(scripted, "lenses")
    assert seen["without"] == []
    assert len(seen["titles"]) == 3 and any("2 tests" in title for title in seen["titles"])


def test_the_python_extensions_choice_runs_the_tests_and_its_changes_are_heard(
    scripted: Seen, other_python: Path
) -> None:
    seen = scenario(scripted, "interpreter")
    assert sys.executable in seen["first"] and str(other_python) in seen["second"]


def test_a_changed_setting_counts_from_the_next_run_on_and_so_does_its_removal(scripted: Seen) -> None:
    seen = scenario(scripted, "settings")
    assert any("/64 tried" in line for line in seen["first"])
    assert any("/2 tried" in line for line in seen["second"])
    assert any("/64 tried" in line for line in seen["third"])


def test_each_folder_of_a_workspace_has_its_own_settings(scripted: Seen) -> None:
    seen = scenario(scripted, "folderSettings")
    assert any("/2 tried" in line for line in seen["second"]) and any("/64 tried" in line for line in seen["first"])


def test_settings_are_those_of_the_scope_that_is_asked_for(
    code: CodeServer, project: Path, geometry: Path, tmp_path: Path
) -> None:
    for root, candidates in ((project, 3), (geometry, 2)):
        (root / ".vscode").mkdir(exist_ok=True)
        (root / ".vscode" / "settings.json").write_text(json.dumps({"greenfinch.candidates": candidates}))
    workspace, answers = tmp_path / "two.code-workspace", tmp_path / "answers.json"
    workspace.write_text(json.dumps({"folders": [{"path": str(project)}, {"path": str(geometry)}]}))
    scopes = ["", project.as_uri(), (geometry / "geometry" / "area.py").as_uri()]
    asking = [sys.executable, str(HERE / "asking.py"), str(answers), *scopes, "--"]
    command = program(tmp_path, f'exec {shlex.join(asking)} "$@"')
    try:
        seen = code.session(
            "scopes",
            workspace,
            scenarios=("scopes",),
            plan={"answers": str(answers)},
            settings={"greenfinch.server.command": str(command)},
        )
    finally:
        for root in (project, geometry):
            shutil.rmtree(root / ".vscode")
    told = scenario(seen, "scopes")["answers"]
    assert [told[scope]["candidates"] for scope in scopes] == [None, 3, 2]


def test_the_doctor_lists_what_was_found(scripted: Seen) -> None:
    page = scenario(scripted, "doctor")["page"]
    for what in ("editor", "workspace trust", "server", "your Python", "sandbox", "model"):
        assert f"**{what}**" in page


def test_a_server_that_crashes_is_started_again_but_not_for_ever(scripted: Seen) -> None:
    seen = scenario(scripted, "crash")
    assert len(set(seen["pids"])) == 3 and seen["left"] == 0 and seen["back"]
    assert "signal SIGKILL" in scripted.toast("is started again")
    assert "4 times" in scripted.toast("It is not started again")


def test_a_start_that_comes_to_nothing_ends_and_another_one_works(
    code: CodeServer, project: Path, tmp_path: Path
) -> None:
    command = program(tmp_path, f'exec "{SERVER}" "$@"')
    settings = {"greenfinch.server.command": str(command)}
    session = code.session("stuck", project, scenarios=("stuck",), settings=settings)
    seen = scenario(session, "stuck")
    assert session.toast(f"did not start ({command}")
    assert not session.toast("Try again in a moment")  # it is down, not on its way for ever
    assert seen["brokenOff"]["seconds"] < 30 and seen["brokenOff"]["gone"] and seen["brokenOff"]["servers"] == 1
    assert 55 < seen["late"]["seconds"] < 90 and seen["late"]["gone"] and seen["back"]
    assert "greenfinch.server.command" in session.toast("has not answered for 60 seconds")


@pytest.fixture(scope="module")
def confirming(code: CodeServer, project: Path, geometry: Path) -> Seen:
    """A session in which edits wait to be confirmed; those that are answered by mouse and keyboard come first."""
    workspace = code.folder / "confirming.code-workspace"
    workspace.write_text(json.dumps({"folders": [{"path": str(project)}, {"path": str(geometry)}]}))
    return code.session(
        "confirming",
        workspace,
        scenarios=("otherInput", "twoAtOnce", "closed", "cancelledMeanwhile", "outdated"),
        plan={"good": GOOD},
        page={"script": str(HERE / "confirming.mjs")},
        environment={
            "GREENFINCH_SCRIPT": str(code.folder / "confirming" / "script.json"),
            "GREENFINCH_PROBE_PYTHON": sys.executable,
        },
        settings={"greenfinch.confirm_edit": True, "greenfinch.server.command": SERVER},
    )


def test_another_quick_input_does_not_answer_the_question_of_an_edit(confirming: Seen) -> None:
    seen = scenario(confirming, "otherInput")
    assert seen["end"]["state"] == "passed" and GOOD.strip() in seen["after"]


def test_edits_of_runs_that_end_together_are_asked_about_one_after_the_other(confirming: Seen) -> None:
    assert [end["state"] for end in scenario(confirming, "twoAtOnce")["ends"]] == ["passed", "passed"]


def test_closing_the_difference_declines_the_edit(confirming: Seen) -> None:
    seen = scenario(confirming, "closed")
    assert seen["stayed"] and not seen["dirty"]
    assert seen["end"]["state"] == "not applied" and "you did not want it" in seen["end"]["message"]


def test_a_cancelled_run_takes_its_question_away_and_is_not_applied(confirming: Seen) -> None:
    seen = scenario(confirming, "cancelledMeanwhile")
    assert seen["dismissed"] and seen["end"]["state"] == "cancelled" and not seen["dirty"]


def test_what_holds_no_more_when_it_is_agreed_to_is_not_applied(confirming: Seen) -> None:
    seen = scenario(confirming, "outdated")
    assert not seen["dirty"]
    assert seen["end"]["state"] == "not applied" and "what the tests read has changed" in seen["end"]["message"]


def test_nothing_runs_in_a_workspace_that_is_not_trusted(code: CodeServer, project: Path) -> None:
    (project / ".vscode").mkdir(exist_ok=True)
    (project / ".vscode" / "settings.json").write_text('{"greenfinch.server.command": "/bin/true"}')
    try:
        session = code.session("untrusted", project, scenarios=("untrusted",), trusted=False)
    finally:
        shutil.rmtree(project / ".vscode")
    seen = scenario(session, "untrusted")
    assert seen["active"] and not seen["trusted"]
    assert seen["servers"] == 0 and seen["actions"] == 0 and seen["commands"] == []
    assert seen["command"] == ""  # what a checkout says about programs does not count
    assert "Manage Workspace Trust" in session.toast("Trust the workspace to use it")


@pytest.fixture
def storage(code: CodeServer) -> Path:
    """The extension's own folder, which all windows share, with nothing in it."""
    folder = code.folder / STORAGE
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def environment(folder: Path, digest: str, *, used_by: int = 0, hours: float = 0) -> Path:
    """An environment as an installation leaves it, some hours ago, in which this process's own packages are found."""
    (folder / "bin").mkdir(parents=True)
    shutil.copy(SERVER, folder / "bin" / "greenfinch")
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / "installed").write_text(digest)
    if used_by:
        (folder / f"used-by-{used_by}").touch()
    for path in (folder / "installed", *folder.glob("used-by-*")):
        os.utime(path, (time.time() - 3600 * hours,) * 2)
    return folder


def packed_digest() -> str:
    """The digest of the server that the packed extension brings."""
    with zipfile.ZipFile(VSIX) as archive:
        (wheel,) = (name for name in archive.namelist() if name.endswith(".whl"))
        return hashlib.sha256(archive.read(wheel)).hexdigest()


def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_without_a_server_it_is_installed_into_a_private_environment_and_works(
    code: CodeServer, project: Path, storage: Path
) -> None:
    left = environment(storage / "server-left", "another", used_by=dead_pid(), hours=2)
    used = environment(storage / "server-used", "another", used_by=os.getpid(), hours=2)
    fresh = environment(storage / "server-fresh", "another", used_by=dead_pid())  # its model host may be there
    (storage / "installing").write_text(str(dead_pid()))  # by a window that is gone
    code.put_on_path()
    try:
        session = code.session(
            "install",
            project,
            scenarios=("install",),
            plan={"good": GOOD},
            page={"clicks": [{"toast": "that of another version of this extension", "button": "Install"}]},
            environment={
                "GREENFINCH_SCRIPT": str(code.folder / "install" / "script.json"),
                "GREENFINCH_PROBE_PYTHON": sys.executable,
            },
        )
    finally:
        code.put_on_path(Path(SERVER).parent)
    seen = scenario(session, "install")
    private = storage / f"server-{packed_digest()[:12]}"
    assert not left.exists() and {*storage.iterdir()} == {private, used, fresh}
    assert str(private / "bin" / "greenfinch") in seen["running"]
    assert seen["end"]["state"] == "passed" and GOOD.strip() in seen["after"]
    assert session.toast("making an environment") and session.toast("installing packages")
    assert session.toast("Greenfinch is ready")


def test_an_installation_that_fails_takes_nothing_away(code: CodeServer, project: Path, storage: Path) -> None:
    private = environment(storage / f"server-{packed_digest()[:12]}", packed_digest())
    session = code.session(
        "reinstall",
        project,
        scenarios=("reinstall",),
        page={
            "clicks": [
                {"toast": "is there already, and runs", "button": "Install Anyway"},
                {"toast": "could not be installed", "button": "Show Log"},
            ]
        },
        environment={"PIP_NO_INDEX": "1", "GREENFINCH_PROBE_PYTHON": sys.executable},
    )
    seen = scenario(session, "reinstall")
    assert session.toast("installing") or session.toast("making an environment")
    assert len(seen["before"]) == 1 and seen["before"] == seen["after"] and seen["attached"]
    assert [*storage.iterdir()] == [private] and (private / "installed").exists()


def test_what_another_window_installs_is_waited_for_and_not_installed_once_more(
    code: CodeServer, project: Path, storage: Path, tmp_path: Path
) -> None:
    private, lock = storage / f"server-{packed_digest()[:12]}", storage / "installing"
    prepared = environment(tmp_path / "prepared", packed_digest())
    lock.write_text(str(os.getpid()))
    code.put_on_path()
    try:
        session = code.session(
            "elsewhere",
            project,
            scenarios=("elsewhere",),
            page={
                "script": str(HERE / "another_window.mjs"),
                "prepared": str(prepared),
                "private": str(private),
                "lock": str(lock),
            },
            environment={"GREENFINCH_PROBE_PYTHON": sys.executable},
        )
    finally:
        code.put_on_path(Path(SERVER).parent)
    assert str(private / "bin" / "greenfinch") in scenario(session, "elsewhere")["running"]
    assert session.toast("another window is installing the server") and session.toast("Greenfinch is ready")
    assert not session.toast("making an environment") and [*storage.iterdir()] == [private]


def recorded(folder: Path) -> tuple[Path, dict[str, str]]:
    """The file in which the next session's client will have introduced itself, and the setting that brings it about."""
    out, command = folder / "client.json", folder / "greenfinch"
    recorder = f'"{sys.executable}" "{HERE.parent}/recorder.py" "{out}"'
    command.write_text(f'#!/bin/sh\n[ "$1" = serve ] || exec "{SERVER}" "$@"\nexec {recorder} "{SERVER}" "$@"\n')
    command.chmod(0o755)
    return out, {"greenfinch.server.command": str(command)}


@pytest.mark.model
@pytest.mark.usefixtures("small_model")
def test_a_model_that_is_missing_is_asked_for_and_one_that_is_there_implements_a_function(
    code: CodeServer, project: Path, tmp_path: Path
) -> None:
    client, recording = recorded(tmp_path)
    present = "qwen2.5-coder-0.5b"
    absent = next(entry.name for entry in catalogue.load().models if store.installed(entry) is None)
    session = code.session(
        "real",
        project,
        scenarios=("noModel", "realModel"),
        plan={"absent": absent, "present": present},
        page={"clicks": [{"dialog": f"{absent} is not there yet", "button": "Not now"}]},
        environment={"GREENFINCH_PROBE_PYTHON": sys.executable},
        settings={
            **recording,
            "greenfinch.model": present,
            "greenfinch.budget_seconds": 200,
            "greenfinch.host_idle_minutes": 0.1,
        },
    )
    asked = scenario(session, "noModel")
    assert asked["end"]["state"] == "cancelled" and asked["unchanged"]
    dialogs = " ".join(text for text in session.toasts if f"{absent} is not there yet" in text)
    assert all(part in dialogs for part in ("Pull it now, once?", "Licence: ", f"Pull {absent} (", " MB)", "Not now"))
    seen = scenario(session, "realModel")
    assert seen["end"]["state"] == "passed", seen["end"]
    assert passes_tests(project, {"words.py": seen["after"]}, "-k", "slugify")
    assert seen["undone"] == seen["before"]
    profile = json.loads((HERE.parents[1] / "lsp" / "profiles" / "vscode.json").read_text())
    assert json.loads(client.read_text())["capabilities"] == profile["capabilities"]


def test_a_user_gets_there_by_mouse_and_keyboard(code: CodeServer, project: Path, tmp_path: Path) -> None:
    pictures = Path(os.environ.get("GREENFINCH_PICTURES") or tmp_path)
    _, recording = recorded(tmp_path)
    code.session(
        "interface",
        project,
        page={
            "script": str(HERE / "user_interface.mjs"),
            "seen_page": str(tmp_path / "page.json"),
            "pictures": str(pictures),
            "good": GOOD,
            "bad": BAD,
        },
        environment={
            "GREENFINCH_SCRIPT": str(code.folder / "interface" / "script.json"),
            "GREENFINCH_PROBE_PYTHON": sys.executable,
        },
        settings={"breadcrumbs.enabled": False, "greenfinch.confirm_edit": True, **recording},
    )
    seen = json.loads((tmp_path / "page.json").read_text())
    assert all("Generate & verify implementation" in title for title in seen["titles"])
    assert re.search(r"\d+/64 tried, best 1/2 tests", seen["progress"])
    assert GOOD.strip() in seen["after"] and GOOD.strip() not in seen["before"]
    assert seen["undone"] == seen["before"] == seen["cancelled"] == seen["failed"]
    assert "Refactor..." in seen["menu"] and "Greenfinch: Implement" in seen["menu"]
    assert "slugify is as it was" in seen["report"] and "Best attempt" in seen["report"]
    assert any("qwen2.5-coder-0.5b" in model and "GB" in model for model in seen["models"])
    assert "script" in seen["status"] and "1/2 tests" in seen["status"]
    sizes = {name: (pictures / f"vscode-{name}.png").stat().st_size for name in PICTURES}
    assert all(size < 200_000 for size in sizes.values()), sizes
