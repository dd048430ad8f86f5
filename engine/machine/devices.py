"""What llama.cpp itself sees: `python -P -m engine.machine.devices` prints it as JSON.

A process of its own, since llama.cpp and its drivers stay in the process that has loaded them, and a broken driver can
take it down.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attrs import field, frozen

from engine.machine import children

_SECONDS = 60.0
_GPUS = {1, 2}  # of ggml_backend_dev_type: cards, and GPUs that share the machine's memory


@frozen
class Device:
    """One GPU as llama.cpp reports it; bytes of memory."""

    name: str
    description: str
    total: int
    free: int


@frozen
class Build:
    """The llama.cpp that is installed.

    Attributes:
        features: instructions that it uses, such as AVX2.
        problem: why it could not be asked; empty if it could.
    """

    version: str = ""
    gpu: bool = False
    features: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    problem: str = field(default="")


def ask() -> Build:
    """The installed llama.cpp.  Takes half a second."""
    try:
        done = subprocess.run(  # noqa: S603 - ours
            children.command("engine.machine.devices"), capture_output=True, text=True, timeout=_SECONDS, check=True,
            cwd=children.neutral_folder(), env=children.environment(),
        )  # fmt: skip
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.CalledProcessError as error:
        return Build(problem=(error.stderr.strip().splitlines() or [f"it ended with {error.returncode}"])[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        return Build(problem=str(error) or type(error).__name__)
    devices = tuple(Device(**device) for device in told["devices"])
    return Build(told["version"], told["gpu"], tuple(told["features"]), devices)


def fingerprint() -> str:
    """Tells the installed llama.cpp from other builds, without loading it: the names and sizes of its libraries.

    It does not tell installations of one build apart: an editor's server has one of its own.
    """
    found = find_spec("llama_cpp")
    if found is None or found.origin is None:
        return ""
    try:
        files = sorted((Path(found.origin).parent / "lib").iterdir())
        return " ".join(f"{file.name}:{file.stat().st_size}" for file in files)
    except OSError:
        return ""


def _main() -> None:
    import llama_cpp

    info = llama_cpp.llama_print_system_info().decode("utf-8", "replace")
    features = [
        part.partition("=")[0].split(":")[-1].strip() for part in info.split("|") if part.strip().endswith("= 1")
    ]
    told = {
        "version": llama_cpp.__version__,
        "gpu": bool(llama_cpp.llama_supports_gpu_offload()),
        "features": features,
        "devices": list(_devices(Path(llama_cpp.__file__).parent / "lib")),
    }
    print(json.dumps(told))


def _devices(folder: Path) -> list[dict[str, Any]]:
    names = ("libggml.so", "libggml.dylib", "ggml.dll")
    library = next((folder / name for name in names if (folder / name).exists()), None)
    if library is None:
        return []
    ggml = ctypes.CDLL(str(library))
    pointer, size = ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t)
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "count": (ctypes.c_size_t, []),
        "get": (pointer, [ctypes.c_size_t]),
        "name": (ctypes.c_char_p, [pointer]),
        "description": (ctypes.c_char_p, [pointer]),
        "type": (ctypes.c_int, [pointer]),
        "memory": (None, [pointer, size, size]),
    }
    call = {}
    for name, (result, arguments) in signatures.items():
        function = getattr(ggml, f"ggml_backend_dev_{name}", None) or getattr(
            ctypes.CDLL(str(library).replace("libggml", "libggml-base")), f"ggml_backend_dev_{name}"
        )
        function.restype, function.argtypes = result, arguments
        call[name] = function
    found = []
    for index in range(call["count"]()):
        device = call["get"](index)
        if call["type"](device) not in _GPUS:
            continue
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        call["memory"](device, ctypes.byref(free), ctypes.byref(total))
        texts = {key: call[key](device).decode("utf-8", "replace") for key in ("name", "description")}
        found.append(texts | {"total": total.value, "free": free.value})
    return found


if __name__ == "__main__":
    _main()
