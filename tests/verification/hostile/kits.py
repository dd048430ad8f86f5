"""The small project that candidates are tried on, and candidates as they stand in their files.

The first line of a candidate says what it stands for, and what it tries: `# target roman: leaves the process` or
`# module: ...`.  A module gets what it lacks from the solved one, so that its tests can be loaded.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from attrs import frozen

from engine.config import Settings
from engine.judgement import Judgement, Replace, judge_text
from engine.request import ImplementRequest

HERE = Path(__file__).parent
PROJECT = HERE / "project"
SOLVED = (PROJECT / "kit_solved.py").read_text()


@frozen
class Candidate:
    """One text to judge.

    Attributes:
        aim: what it tries.
        overfit: it is an honest table of the tests' inputs.
    """

    name: str
    qualname: str
    replace: Replace
    aim: str
    text: str

    @property
    def overfit(self) -> bool:
        return "overfit suspect" in self.aim


def candidates(folder: str) -> list[Candidate]:
    """Those of a folder beside this file."""
    found = []
    for file in sorted((HERE / folder).glob("*.py")):
        text = file.read_text()
        head, _, body = text.partition("\n")
        target = re.fullmatch(r"# target ([\w.]+)(.*)", head)
        if target:
            found.append(Candidate(file.stem, target[1], "target", target[2].lstrip(":, "), body))
        else:
            aim = head.removeprefix("# module: ")
            found.append(Candidate(file.stem, "roman", "module", aim, body + "\n\n" + _lacking(body)))
    return found


def _lacking(text: str) -> str:
    """The definitions of the solved module that `text` does without."""
    defined = {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    nodes = [node for node in ast.parse(SOLVED).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return "\n\n\n".join(ast.unparse(node) for node in nodes if node.name not in defined | {"roman"}) + "\n"


def write_project(root: Path) -> Path:
    """The project with its stubs; its module's path is returned."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "kit.py").write_text((PROJECT / "kit.py").read_text())
    (root / "test_kit.py").write_text((PROJECT / "kit_tests.py").read_text())
    (root / "pyproject.toml").write_text("[project]\nname = 'kit'\nversion = '1'\n")
    return root / "kit.py"


async def judged(candidate: Candidate, root: Path) -> Judgement:
    """The candidate judged in a fresh project at `root`, as `greenfinch verify` does."""
    request = ImplementRequest(root, write_project(root), candidate.qualname)
    settings = Settings().updated({"python": sys.executable, "test_timeout_seconds": 5.0}, source="test")
    return await judge_text(settings, request, candidate.text, candidate.replace)
