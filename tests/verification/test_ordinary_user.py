"""No privileges are needed: everything works for a user who has none."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

NOBODY = 65534

SCRIPT = """
import anyio, json, sys
from pathlib import Path
from engine.config import Settings
from engine.verification.interpreter import probe
from engine.verification.verifier import Verifier, reach_statement

async def main(root, level):
    path = root / "lib.py"
    probed = {path: f"def f():\\n    {reach_statement('f')}\\n    raise NotImplementedError\\n"}
    async with Verifier(root, probe(Path(sys.executable), "setting"), Settings(), level=level) as verifier:
        found = await verifier.baseline(target_path=path, targets=["f"], stubs=["f"], instrumented=probed, overlays={},
                                        nominated=[root / "test_lib.py"])
        good = await verifier.run(found.judge, {path: "def f():\\n    return 1\\n"}, time_limit=20)
        text = "import os\\ndef f():\\n    while True: os.fork()\\n"
        bomb = await verifier.run(found.judge, {path: text}, time_limit=5)
        print(json.dumps([verifier.level, good.passed, good.reason, bomb.passed]))

anyio.run(main, Path(sys.argv[1]), sys.argv[2])
"""


# What the engine's verification and the project under test import; any CPython can use a copy of these.
PACKAGES = ("engine", "anyio", "attr", "attrs", "cattr", "cattrs", "idna", "platformdirs", "typing_extensions",
            "psutil", "pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")  # fmt: skip


def python_for_everybody(folder: Path) -> tuple[str, str]:
    """A Python that an ordinary user may run, and a copy of the packages it needs where that user may read them."""
    packages = folder / "packages"
    packages.mkdir()
    for name in PACKAGES:
        found = importlib.util.find_spec(name)
        assert found is not None and found.origin is not None
        origin = Path(found.origin)
        if origin.name == "__init__.py":
            shutil.copytree(origin.parent, packages / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(origin, packages)
    system = shutil.which("python3", path=os.defpath)
    return system or sys.executable, str(packages)


@pytest.mark.slow
def test_tests_are_confined_for_an_ordinary_user(levels):
    options = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        python, packages = python_for_everybody(folder)
        root = folder / "work"
        root.mkdir()
        (root / "lib.py").write_text("def f():\n    raise NotImplementedError\n")
        (root / "test_lib.py").write_text("from lib import f\n\ndef test_f():\n    assert f() == 1\n")
        if options:
            for path in (root, *root.iterdir()):
                os.chown(path, NOBODY, NOBODY)
        environment = {"PATH": os.defpath, "HOME": name, "PYTHONPATH": packages}
        for level in levels:
            if level == "limits-only":
                continue  # its fork bomb is not held, and it needs no privilege by its nature
            told = subprocess.run(
                [python, "-c", SCRIPT, str(root), level], env=environment, cwd=folder, capture_output=True,
                text=True, check=False, timeout=60, **options,
            )  # fmt: skip
            assert told.returncode == 0, told.stderr
            assert json.loads(told.stdout) == [level, True, "", False]
