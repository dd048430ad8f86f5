"""The tests' Python is the user's: where it is looked for, in which order, and what is said when it will not do."""

import ast
import os
import sys
from pathlib import Path

import pytest

from engine.errors import InterpreterError
from engine.verification import interpreter as room
from engine.verification.interpreter import find_interpreter, probe

pytestmark = pytest.mark.anyio

BASE = Path(sys.base_prefix, "bin", f"python3.{sys.version_info[1]}")


def environment_at(folder: Path) -> Path:
    """A virtual environment without anything in it, as quickly as one can be made."""
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = {BASE.parent}\ninclude-system-site-packages = false\n")
    (folder / "bin" / "python").symlink_to(BASE)
    return folder / "bin" / "python"


@pytest.fixture
def places(tmp_path):
    root = tmp_path / "root"
    (root / "package").mkdir(parents=True)
    return {
        "hint": environment_at(tmp_path / "hint"),
        "virtual": environment_at(tmp_path / "virtual"),
        "outer": environment_at(root / ".venv"),
        "path": environment_at(tmp_path / "path"),
        "root": root,
    }


async def test_the_order_in_which_it_is_looked_for(places, tmp_path):
    root, target = places["root"], places["root"] / "package" / "a.py"
    on_path = {"PATH": str(places["path"].parent)}
    activated = {**on_path, "VIRTUAL_ENV": str(tmp_path / "virtual")}
    setting = str(places["path"])

    async def found(**arguments):
        result = await find_interpreter(root, target, **arguments)
        return result.path, result.source

    assert await found(setting=setting, hint=str(places["hint"]), environment=activated) == (places["path"], "setting")
    assert await found(hint=str(places["hint"]), environment=activated) == (places["hint"], "editor")
    assert await found(hint="/nowhere", environment=activated) == (places["virtual"], "VIRTUAL_ENV")
    assert await found(environment=on_path) == (places["outer"], ".venv")
    near = environment_at(root / "package" / "venv")
    assert await found(environment=on_path) == (near, "venv")


async def test_uv_and_the_path_come_last(tmp_path):
    uv = environment_at(tmp_path / "uv-made")
    on_path = environment_at(tmp_path / "path")
    environment = {"PATH": str(on_path.parent), "UV_PROJECT_ENVIRONMENT": str(tmp_path / "uv-made")}
    found = await find_interpreter(tmp_path / "root", tmp_path / "root" / "a.py", environment=environment)
    assert (found.path, found.source) == (uv, "uv")
    found = await find_interpreter(
        tmp_path / "root", tmp_path / "root" / "a.py", environment={"PATH": str(on_path.parent)}
    )
    assert (found.path, found.source) == (on_path, "PATH")
    assert found.environment_prefix == tmp_path / "path"
    assert found.version == sys.version_info[:3]


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="these tests do not run in a virtual environment")
async def test_greenfinchs_own_environment_is_used_only_for_want_of_another(tmp_path):
    own = {"VIRTUAL_ENV": sys.prefix, "PATH": str(Path(sys.prefix, "bin"))}
    other = environment_at(tmp_path / "other")
    found = await find_interpreter(
        tmp_path, tmp_path / "a.py", environment={**own, "PATH": f"{own['PATH']}{os.pathsep}{other.parent}"}
    )
    assert (found.path, found.source) == (other, "PATH")
    found = await find_interpreter(tmp_path, tmp_path / "a.py", environment=own)
    assert "Greenfinch's own environment" in found.source


async def test_a_setting_that_will_not_do_is_refused_not_passed_over(places, tmp_path):
    not_python = tmp_path / "not-python"
    not_python.write_text("#!/bin/sh\nexit 3\n")
    not_python.chmod(0o755)
    for setting in ("/nowhere/python", str(not_python)):
        with pytest.raises(InterpreterError, match="setting"):
            await find_interpreter(places["root"], places["root"] / "a.py", setting=setting)


def test_an_old_python_is_refused_by_its_version(tmp_path):
    old = tmp_path / "python"
    old.write_text(
        '#!/bin/sh\necho \'{"version": [3, 8, 1], "executable": "", "prefix": "", "base": "", "paths": [], '
        '"frameworks": {}, "pip": true}\'\n'
    )
    old.chmod(0o755)
    with pytest.raises(InterpreterError, match=r"is Python 3.8; .* must be 3.9 or later"):
        probe(old, "PATH")


def test_a_package_installed_later_is_seen(tmp_path):
    python = environment_at(tmp_path / "env")
    assert "pytest" not in probe(python, "test").frameworks
    packages = tmp_path / "env" / "lib" / f"python3.{sys.version_info[1]}" / "site-packages"
    packages.mkdir(parents=True)
    room._answers.clear()  # the folder itself was not there to be watched
    assert "pytest" not in probe(python, "test").frameworks
    (packages / "pytest").mkdir()
    (packages / "pytest" / "__init__.py").touch()
    assert "pytest" in probe(python, "test").frameworks


def test_missing_pytest_gets_the_command_that_installs_it(tmp_path):
    found = probe(environment_at(tmp_path / "env"), "test")
    assert "pytest" not in found.frameworks
    assert not found.has_pip
    assert f"uv pip install --python {found.path} pytest" in found.needs_pytest().remedy


@pytest.mark.parametrize("name", ["runner.py", "frameworks.py"])
def test_the_agent_is_written_for_the_oldest_python_that_is_supported(name):
    source = Path(room.__file__).with_name("agent").joinpath(name).read_text()
    tree = ast.parse(source, feature_version=room.OLDEST)
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.partition(".")[0] for module in modules} <= set(sys.stdlib_module_names) | {"pytest"}
