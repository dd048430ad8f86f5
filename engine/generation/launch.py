"""Finding a model host, and starting one: where its socket lies, and how its process begins.

The socket's name follows from everything that makes two hosts differ, so that whoever wants the same host computes
the same name.  Nothing else is agreed on beforehand.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import platformdirs

from engine import version
from engine.config import Settings
from engine.errors import HostError
from engine.generation.loopback import LOOPBACK_SUFFIX, whereabouts
from engine.machine import children
from engine.temporary import temporary_folder

PROTOCOL = 1  # what client and host agree on beyond the OpenAI protocol; part of the socket's name
LONGEST_SOCKET_PATH = 100  # bytes; the kernels' limit is 104 to 108
LOG_LINES = 4
MEMORY_SHORT = "memory"
ENDING = " INFO ending: "  # in a host's log, before it ceases to listen
LOOPBACK = not hasattr(socket, "AF_UNIX")  # Windows
_EXIT_REASONS = {4: MEMORY_SHORT, 5: "model"}  # the host's `error_code`, for one that ended before it was asked


def socket_path(model: Path, settings: Settings) -> Path:
    """Where the host for this model file and these settings listens, whether or not there is one.

    That is a Unix socket; on a system without them, a file that tells the port and its token (see `loopback`).

    Raises:
        HostError: no folder that only this user can open can be had.
    """
    file = model.resolve().stat()
    identity = (
        PROTOCOL,
        version(),
        sys.prefix,
        str(model.resolve()),
        file.st_size,
        file.st_mtime_ns,
        settings.context_tokens,
        settings.threads,
    )
    suffix = LOOPBACK_SUFFIX if LOOPBACK else ".sock"
    name = f"host{PROTOCOL}-{hashlib.sha256(repr(identity).encode()).hexdigest()[:16]}{suffix}"
    return _private_folder(len(name)) / name


def _private_folder(name_length: int) -> Path:
    """A folder that belongs to this user alone; made if it is not there."""
    if sys.platform == "win32":
        return _profile_folder()
    user = os.getuid()
    candidates = []
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        candidates.append(Path(runtime) / "greenfinch")
    with suppress(OSError):
        candidates.append(temporary_folder() / f"greenfinch-{user}")
    candidates.append(Path("/tmp") / f"greenfinch-{user}")  # noqa: S108 - ownership is checked below
    for folder in candidates:
        if len(os.fsencode(folder)) + 1 + name_length > LONGEST_SOCKET_PATH:
            continue
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = folder.lstat()  # not stat: a link planted by someone else would be followed
            if stat.S_ISDIR(found.st_mode) and found.st_uid == user and os.access(folder, os.W_OK):
                if stat.S_IMODE(found.st_mode) != 0o700:
                    folder.chmod(0o700)
                return folder
        except OSError:
            continue
    raise HostError(
        f"No private folder for the model host's socket could be made; tried {', '.join(map(str, candidates))}.",
        remedy="Set XDG_RUNTIME_DIR to a folder that only you can open.",
    )


def _profile_folder() -> Path:
    """Windows: a folder in the user's own profile, which its access list closes to other users."""
    folder = platformdirs.user_data_path("greenfinch", appauthor=False) / "hosts"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"The folder {folder}, for the model host, could not be made: {error}.") from error
    return folder


def start_host(model: Path, name: str, path: Path, settings: Settings) -> subprocess.Popen[bytes]:
    """Start a host for `path`, detached: it outlives this process, and no Ctrl-C of a terminal reaches it.

    Raises:
        HostError: the process cannot be created.
    """
    command = children.command("engine.host", "--model", str(model.resolve()), "--name", name)
    command += ["--socket", str(path), "--context", str(settings.context_tokens), "--threads", str(settings.threads)]
    command += ["--idle-minutes", str(settings.host_idle_minutes)]
    if path.suffix == LOOPBACK_SUFFIX:
        command.append("--loopback")
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    try:
        with log_path(path).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - this interpreter, with arguments of our own
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=children.neutral_folder(),
                env=children.environment(),
                **detached,
            )
    except OSError as error:
        raise HostError(f"The model host cannot be started: {error}.") from error
    # Reaped as soon as it ends, however long this process lives.
    threading.Thread(target=process.wait, name="host-reaper", daemon=True).start()
    return process


def end_hosts(path: Path) -> None:
    """Kill the host that serves `path` and does not answer any more; its clients get a fresh one."""
    import psutil  # slow to load, and hardly ever needed

    for process in psutil.process_iter():
        try:
            arguments = process.cmdline()
            if "engine.host" in arguments and str(path) in arguments:
                process.kill()
                process.wait(10)
        except psutil.Error:  # it has ended, or is not ours
            continue


def is_there(path: Path, seconds: float) -> bool:
    """Whether a host listens at `path` now."""
    if path.suffix == LOOPBACK_SUFFIX:
        return whereabouts(path) is not None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        try:
            connection.connect(str(path))
        except OSError:
            return False
    return True


def reason(exit_code: int) -> str | None:
    """What kind of trouble a host ended with, as far as its exit code says."""
    return _EXIT_REASONS.get(exit_code)


def crashed(exit_code: int) -> bool:
    """Whether a host was ended by the system, and not by a decision of its own."""
    return exit_code not in (0, 1, 2, *_EXIT_REASONS)


def ended_in_order(path: Path) -> bool:
    """Whether the last host at `path` ended by a decision of its own or at a signal, as far as its log says."""
    try:
        return ENDING in log_path(path).read_text("utf-8", "replace")
    except OSError:
        return False


def log_path(path: Path) -> Path:
    """The log of the host that listens at `path`; it begins anew with each host."""
    return path.with_suffix(".log")


def last_words(path: Path) -> str:
    """Why a host ended, from its log: its errors if it wrote any, else its last lines."""
    try:
        lines = log_path(path).read_text("utf-8", "replace").splitlines()
    except OSError:
        return "it left no log"
    errors = [line.partition(" ERROR ")[2] for line in lines if " ERROR " in line]
    chosen = errors[-1:] or [line.strip() for line in lines if line.strip()][-LOG_LINES:]
    return " | ".join(chosen) or "its log is empty"
