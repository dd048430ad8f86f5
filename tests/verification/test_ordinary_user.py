"""No privileges are needed: everything works for a user who has none."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

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


COPIES = """
import anyio, sys
from pathlib import Path
from engine.verification.shadow import Shadows

async def main(root):
    shadows = Shadows(root)
    try:
        for closed in ("pkg/deep", "pkg", ".", "..", ""):
            async with shadows.borrow() as shadow:
                assert (shadow.path / "pkg/deep/lib.py").read_text() == "x = 1\\n"
                (shadow.path / "pkg/stray").mkdir()
                (shadow.path / "pkg/stray").chmod(0)
                if closed:
                    (shadow.path / closed).chmod(0)
    finally:
        folder = shadow.path.parent.parent
        await shadows.aclose()
    print(folder.exists())

anyio.run(main, Path(sys.argv[1]))
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


def as_an_ordinary_user() -> dict[str, Any]:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}


@pytest.mark.slow
def test_tests_are_confined_for_an_ordinary_user(levels):
    options = as_an_ordinary_user()
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


def test_a_copy_whose_folders_a_run_has_closed_is_used_again_and_removed():
    """Root may enter any folder, so an ordinary user has to try."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        python, packages = python_for_everybody(folder)
        (folder / "work/pkg/deep").mkdir(parents=True)
        (folder / "work/pkg/deep/lib.py").write_text("x = 1\n")
        environment = {"PATH": os.defpath, "HOME": name, "PYTHONPATH": packages, "TMPDIR": name}
        told = subprocess.run(
            [python, "-c", COPIES, str(folder / "work")], env=environment, cwd=folder, capture_output=True, text=True,
            check=False, timeout=60, **as_an_ordinary_user(),
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        assert told.stdout == "False\n"
