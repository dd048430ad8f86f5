"""The real VS Code, as code-server, with a private home, the packed extension and a headless browser in front."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from attrs import define, frozen
from editors.workspace import home_of, server_environment

HERE = Path(__file__).parent
EXTENSION = HERE.parents[2] / "editors" / "vscode"
VSIX = EXTENSION / "greenfinch.vsix"
_INTO_VSIX = ("editors/vscode/src", "editors/vscode/media", "editors/vscode/package.json", "engine", "lsp_server")
TOOLS = home_of("vscode")
NODE = TOOLS / "bin" / "node"
_START_SECONDS = 180.0
_SETTINGS: dict[str, Any] = {
    "workbench.startupEditor": "none",
    "workbench.colorTheme": "Default Light Modern",
    "workbench.tips.enabled": False,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.welcomePage.walkthroughs.openOnInstall": False,
    "telemetry.telemetryLevel": "off",
    "extensions.autoUpdate": False,
    "extensions.autoCheckUpdates": False,
    "update.mode": "none",
    "chat.disableAIFeatures": True,
    "files.autoSave": "off",
    "files.hotExit": "off",
    "git.enabled": False,
    "security.workspace.trust.startupPrompt": "never",
    "editor.minimap.enabled": False,
    "editor.cursorBlinking": "solid",
    "workbench.reduceMotion": "on",  # animations, drawn without a GPU, take the time of the tests
}


def stale() -> str:
    """The first file that has changed since the extension was packed; empty if none has."""
    packed = VSIX.stat().st_mtime if VSIX.is_file() else 0.0
    paths = [
        path
        for part in _INTO_VSIX
        for path in ((EXTENSION.parents[1] / part).rglob("*"), [EXTENSION.parents[1] / part])
    ]
    files = (file for files in paths for file in files if file.is_file() and file.suffix != ".pyc")
    files = (file for file in files if file.parent.name != "reports")  # a wheel is without these
    return next((str(file) for file in files if file.stat().st_mtime > packed), "")


def chromium() -> str:
    """Path of the browser, or empty."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")


def pack(folder: Path, to: Path) -> Path:
    """Pack an extension that needs no building."""
    vsce = EXTENSION / "node_modules" / "@vscode" / "vsce" / "vsce"
    options = ["--no-dependencies", "--allow-missing-repository", "--skip-license", "--out", str(to)]
    subprocess.run([str(NODE), str(vsce), "package", *options], cwd=folder, check=True, capture_output=True)
    return to


@frozen
class Seen:
    """What came of a session: the probe's scenarios by name, and the texts of all notifications."""

    scenarios: dict[str, dict[str, Any]]
    toasts: list[str]

    def toast(self, part: str) -> str:
        """The last notification that contains `part`; empty if none does."""
        return next((text for text in reversed(self.toasts) if part in text), "")


@define
class CodeServer:
    """One editor with a home of its own below `folder`; extensions are installed once, sessions come and go."""

    folder: Path

    def install(self, *packages: Path) -> None:
        options = [part for package in packages for part in ("--install-extension", str(package))]
        subprocess.run([*self._command(), *options], env=self._environment({}), check=True, capture_output=True)

    def session(
        self,
        name: str,
        opened: Path,
        *,
        scenarios: Sequence[str] = (),
        plan: Mapping[str, Any] | None = None,
        page: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
        trusted: bool = True,
        seconds: float = 600,
    ) -> Seen:
        """Open a folder or workspace file, let the probe play `scenarios` or a page script run, and close.

        Args:
            plan: what the scenarios need to know, besides what every session gives them.
            page: more for the browser: a `script` to run on the page and what that needs, `clicks` on notifications.
        """
        work = self.folder / name
        work.mkdir(parents=True)
        for level in ("User", "Machine"):  # settings of a machine's own count in the second file only
            (self.folder / "data" / level).mkdir(parents=True, exist_ok=True)
            (self.folder / "data" / level / "settings.json").write_text(json.dumps(_SETTINGS | dict(settings or {})))
        whole = {"scenarios": list(scenarios), "script": str(work / "script.json"), "seen": str(work / "seen.json")}
        whole |= {"done": str(work / "done"), **(plan or {})}
        (work / "plan.json").write_text(json.dumps(whole))
        port = _free_port()
        kind = "workspace" if opened.suffix == ".code-workspace" else "folder"
        browsing = {
            "url": f"http://127.0.0.1:{port}/?{kind}={opened}",
            "driver": str(TOOLS / "package.json"),
            "chromium": chromium(),
            "seen": str(work / "toasts.json"),
            "failure": str(work / "failure.png"),
            "script_file": str(work / "script.json"),
            **({"done": whole["done"]} if scenarios else {}),
            **(page or {}),
        }
        (work / "page.json").write_text(json.dumps(browsing))
        given = {"GREENFINCH_PROBE": str(work / "plan.json") if scenarios else "", **(environment or {})}
        options = ["--auth", "none", "--bind-addr", f"127.0.0.1:{port}"]
        options += ["--disable-workspace-trust"] if trusted else []
        with (work / "code-server.log").open("w") as log:
            command = [*self._command(), *options, "--disable-getting-started-override"]
            server = subprocess.Popen(
                command, env=self._environment(given), stdout=log, stderr=log, start_new_session=True
            )
            try:
                _wait_for(port, server)
                self._browse(work / "page.json", seconds)
            finally:
                _end(server)
                _end_what_is_left(self.folder / "home")
        played = json.loads((work / "seen.json").read_text()) if scenarios else {}
        return Seen(played, json.loads((work / "toasts.json").read_text()))

    def _browse(self, plan: Path, seconds: float) -> None:
        command = [str(NODE), str(HERE / "browser.mjs"), str(plan)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=self._environment({}))
        assert done.returncode == 0, f"the browser's script failed:\n{done.stdout}\n{done.stderr}"

    def _command(self) -> list[str]:
        entry = TOOLS / "node_modules" / "code-server" / "out" / "node" / "entry.js"
        folders = ["--user-data-dir", str(self.folder / "data"), "--extensions-dir", str(self.folder / "extensions")]
        return [str(NODE), str(entry), *folders, "--disable-telemetry", "--disable-update-check"]

    def _environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """A home of its own; pip's cache stays the user's, so that nothing is compiled once more."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        pip = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pip"
        private = {"HOME": str(home), "SHELL": "/bin/bash", "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(pip))}
        inherited = server_environment(private)
        kept = {
            name: value for name, value in inherited.items() if not name.startswith(("XDG_", "VSCODE_", "VIRTUAL_"))
        }
        return {**kept, **given}

    def put_on_path(self, *folders: Path) -> None:
        """Let the user's login shell put folders first on the PATH; the editor takes its PATH from there."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        (home / ".profile").write_text(f'export PATH="{":".join([*map(str, folders), "$PATH"])}"\n')


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for(port: int, server: subprocess.Popen[Any]) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        assert server.poll() is None, "code-server ended"
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"code-server did not answer within {_START_SECONDS:.0f} s")


def _end(server: subprocess.Popen[Any]) -> None:
    server.terminate()
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _end_what_is_left(home: Path, patience: float = 5.0) -> None:
    """Whatever the editor has started, wherever it hangs by now, ends: by itself within `patience` seconds, or killed.

    The editor does not wait for its extensions, and what one of them still writes would be found by the next test.
    """
    left = [process for process in psutil.process_iter() if _home(process) == str(home)]
    _, still = psutil.wait_procs(left, timeout=patience)
    for process in still:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(still)


def _home(process: psutil.Process) -> str:
    try:
        return process.environ().get("HOME", "")
    except (psutil.Error, OSError):
        return ""
