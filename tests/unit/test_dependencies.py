"""What the code imports is what the package says that it needs."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = {"engine", "lsp_server", "greenfinch_launcher"}
USERS = ("engine/verification/agent", "engine/cli/demo_project")  # run by the user's interpreter, with what is there


def imported() -> set[str]:
    """Names of all modules from elsewhere, their first parts alone."""
    names = set()
    for package in ("engine", "lsp_server"):
        for file in (ROOT / package).rglob("*.py"):
            if file.relative_to(ROOT).as_posix().startswith(USERS):
                continue
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    names |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names.add(node.module or "")
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - OWN


def distribution(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def test_everything_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [each for name, extra in project["optional-dependencies"].items() if name != "test" for each in extra]
    declared = {distribution(each) for each in (*project["dependencies"], *extras)}
    known = packages_distributions()
    missing = {name for name in imported() if not declared & {distribution(each) for each in known.get(name, [name])}}
    assert missing == set()
