"""No privileges are needed: everything works for a user who has none."""

import json
import os
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


def test_tests_are_confined_for_an_ordinary_user(levels):
    user = NOBODY if os.getuid() == 0 else os.getuid()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "work"
        root.mkdir()
        (root / "lib.py").write_text("def f():\n    raise NotImplementedError\n")
        (root / "test_lib.py").write_text("from lib import f\n\ndef test_f():\n    assert f() == 1\n")
        if os.getuid() == 0:
            for path in (Path(folder), root, *root.iterdir()):
                os.chown(path, NOBODY, NOBODY)
        options = {"user": user, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        environment = {"PATH": os.defpath, "HOME": folder, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        try:
            probing = [sys.executable, "-c", "import anyio, engine.config"]
            subprocess.run(probing, env=environment, cwd=folder, capture_output=True, check=True, **options)
        except (PermissionError, subprocess.CalledProcessError):
            pytest.skip("an ordinary user cannot read this Python or this checkout")
        for level in levels:
            if level == "copy":
                continue  # its fork bomb is not held, and it needs no privilege by its nature
            told = subprocess.run(
                [sys.executable, "-c", SCRIPT, str(root), level], env=environment, cwd=folder, capture_output=True,
                text=True, check=False, timeout=60, **options,
            )  # fmt: skip
            assert told.returncode == 0, told.stderr
            assert json.loads(told.stdout) == [level, True, "", False]
