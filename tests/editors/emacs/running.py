"""Runs Emacs: without a screen, or in a terminal whose screen can be read."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from editors.terminal import Terminal

HERE = Path(__file__).parent
CLONE = HERE.parents[2]
PACKAGE = CLONE / "editors" / "emacs"


class Emacs:
    """A real Emacs with a fresh user's folders.

    Args:
        home: where `.ci/editors` installed it.
        environment: of Emacs and all that it starts.
    """

    def __init__(self, home: Path, scratch: Path, environment: Mapping[str, str]) -> None:
        self.home = home
        self.command = str(home / "bin" / "emacs")
        self._scratch = scratch
        self.clone = Path(environment["HOME"]) / "greenfinch"  # where editors/README.md supposes it
        self.clone.symlink_to(CLONE)
        self._environment = {**environment, "DRIVER_RESULT": str(scratch / "result.json")}

    def package(self, name: str) -> list[str]:
        """The arguments that put an installed package's folder on Emacs' load path."""
        return [argument for folder in self.home.glob(f"elpa/{name}-[0-9]*") for argument in ("-L", str(folder))]

    def init_file(self, recipe: str = "use-package greenfinch") -> Path:
        """An init file that is the recipe of editors/README.md which mentions `recipe`, as it stands there."""
        text = (CLONE / "editors" / "README.md").read_text("utf-8")
        (found,) = (block for block in re.findall(r"```elisp\n(.*?)```", text, re.DOTALL) if recipe in block)
        file = self._scratch / "init.el"
        file.write_text(f";;; -*- lexical-binding: t; -*-\n{found}", "utf-8")
        return file

    def run(self, root: Path, steps: str, *arguments: str, recipe: str = "use-package greenfinch") -> dict[str, Any]:
        """Take steps in Lisp, in the folder `root`, in an Emacs set up by a recipe; what they noted."""
        file = self._scratch / "steps.el"
        file.write_text(f";;; -*- lexical-binding: t; -*-\n{steps}\n", "utf-8")
        command = [self.command, "--batch", "-Q", *arguments, "-l", str(HERE / "driver.el")]
        command += ["-l", str(self.init_file(recipe)), "--eval", f'(driver-run "{file}")']
        done = subprocess.run(
            command,
            cwd=root,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        result = self._scratch / "result.json"
        assert result.is_file(), done.stderr[-4000:]
        notes: dict[str, Any] = json.loads(result.read_text("utf-8"))
        result.unlink()
        assert notes["problem"] is None, (notes["problem"], done.stderr[-4000:])
        return notes

    def terminal(self, root: Path, file: str) -> Terminal:
        """Emacs in a terminal, set up as editors/README.md says, with a file open."""
        command = [
            self.command,
            "-nw",
            "-Q",
            "--eval",
            "(setq create-lockfiles nil)",
            "-l",
            str(self.init_file()),
            file,
        ]
        return Terminal(self.home, command, root, self._environment)

    def install_command(self) -> str:
        """The command that has to be printed where the server is not installed."""
        private = Path(self._environment["XDG_DATA_HOME"]) / "greenfinch" / "venv"
        return f"python3 -m venv {private} && {private}/bin/pip install {self.clone}"
