"""Whether this machine runs AMX, the instructions for matrices of Intel's server processors, where it announces them.

Some virtual machines announce them and fault when they are used, which takes the process along at its first step.  So
where llama.cpp was built for them, another process takes a first step in the host's place (`engine.host.trial`).  What
came of it holds until the machine starts again.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import platformdirs

from engine.machine import children

_BUILT_IN = "AMX_INT8 = 1"
_KEPT = "amx.json"
_TRIAL = ("-P", "-m", "engine.host.trial")
_SECONDS = 600.0  # it loads the model
_FAULTS = {-int(getattr(signal, name)) for name in ("SIGSEGV", "SIGILL", "SIGBUS") if hasattr(signal, name)}
_WINDOWS_FAULTS = {0xC0000005, 0xC000001D}  # access violation, illegal instruction
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def announces_amx(system_info: str) -> bool:
    """Whether llama.cpp will use AMX, by what it says of itself (`llama_print_system_info`)."""
    return _BUILT_IN in system_info


def runs_amx(model: Path, system_info: str) -> bool:
    """False: a step with `model` would fault, since llama.cpp uses AMX and this machine does not run it.

    Blocks for as long as the model takes to load, once, where llama.cpp was built for it.
    """
    if not announces_amx(system_info):
        return True
    kept = platformdirs.user_cache_path("greenfinch") / _KEPT
    identity = f"{_boot()} {sys.prefix} {system_info}"
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(kept.read_text("utf-8"))
        if told["identity"] == identity:
            return bool(told["runs"])
    runs = _try(model)
    if runs is None:
        return True  # something else is wrong, and will be told when the model is used
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({"identity": identity, "runs": runs}), "utf-8")
    return runs


def _try(model: Path) -> bool | None:
    command = [sys.executable, *_TRIAL, str(model.resolve())]
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, with arguments of our own
            command, stdin=quiet, stdout=quiet, stderr=quiet, cwd=children.neutral_folder(),
            env=children.environment(), timeout=_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode in _FAULTS | _WINDOWS_FAULTS:
        return False
    return True if done.returncode == 0 else None


def _boot() -> str:
    """Another one whenever the machine has started; empty where the system does not say."""
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return ""
