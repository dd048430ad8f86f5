"""What is generated from the settings: every editor's declaration says the same, and drift is found."""

import json
import shutil
from pathlib import Path

import pytest
from attrs import fields

from engine.config import Settings
from engine.settings_docs import elisp, lua_types, main, vimdoc, vscode_manifest, vscode_properties

ROOT = Path(__file__).parents[2]
NAMES = [each.name for each in fields(Settings)]


def test_every_editor_declares_every_setting():
    assert list(vscode_properties()) == [f"greenfinch.{name}" for name in NAMES]
    for name in NAMES:
        assert f"---@field {name}? " in lua_types()
        assert f"*greenfinch-{name}*" in vimdoc()
        assert f"(defcustom greenfinch-{name.replace('_', '-')} " in elisp()


def test_defaults_and_limits_are_the_declared_ones():
    properties = vscode_properties()
    assert Settings() == Settings().updated({n: properties[f"greenfinch.{n}"]["default"] for n in NAMES}, source="x")
    assert properties["greenfinch.candidates"]["minimum"] == 1 and "maximum" not in properties["greenfinch.candidates"]
    assert properties["greenfinch.temperature"]["maximum"] == 2
    assert properties["greenfinch.strategy"]["enum"] == ["greedy", "best-of-n", "plan+repair", "full"]
    assert properties["greenfinch.code_lens"]["type"] == "boolean"


def test_what_runs_or_opens_something_is_never_taken_from_a_workspace():
    properties = vscode_properties()
    for name in (
        "python",
        "model",
        "larger_model",
        "test_command",
        "endpoint",
        "sandbox_least",
        "test_read",
        "test_write",
        "test_network",
    ):
        assert properties[f"greenfinch.{name}"]["scope"] == "machine"
    manifest = json.loads((ROOT / "editors" / "vscode" / "package.json").read_text("utf-8"))
    own = [section["properties"] for section in manifest["contributes"]["configuration"]]
    assert (
        next(each for each in own if "greenfinch.server.command" in each)["greenfinch.server.command"]["scope"]
        == "machine"
    )
    assert properties["greenfinch.budget_seconds"]["scope"] == "machine-overridable"


def test_the_manifests_own_settings_stay():
    own = "greenfinch.server.command"
    before = {
        "contributes": {"configuration": [{"properties": {}}, {"properties": {own: {}}}]},
        "capabilities": {"untrustedWorkspaces": {"restrictedConfigurations": [own, "greenfinch.python"]}},
    }
    after = json.loads(vscode_manifest(json.dumps(before)))
    assert own in after["contributes"]["configuration"][1]["properties"]
    restricted = after["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]
    assert restricted[0] == own and restricted.count("greenfinch.python") == 1


def test_drift_is_named_and_mended(tmp_path: Path, capsys):
    shutil.copy(ROOT / "README.md", tmp_path)
    main(["--check", str(tmp_path)])
    text = (tmp_path / "README.md").read_text()
    (tmp_path / "README.md").write_text(text.replace("At most this many candidates", "This many candidates"))
    with pytest.raises(SystemExit, match=r"README\.md: not what"):
        main(["--check", str(tmp_path)])
    main(["--write", str(tmp_path)])
    assert (tmp_path / "README.md").read_text() == text
