"""The GPUs of this machine, whether or not the llama.cpp that is installed can use them."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from engine.machine.devices import Build

DRM = Path("/sys/class/drm")
_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
# Memory bandwidth in GB/s of Apple's chips, as Apple publishes it; the larger figure where there are two versions.
_APPLE = {
    "M1": 68, "M1 Pro": 200, "M1 Max": 400, "M1 Ultra": 800, "M2": 100, "M2 Pro": 200, "M2 Max": 400, "M2 Ultra": 800,
    "M3": 100, "M3 Pro": 150, "M3 Max": 400, "M3 Ultra": 819, "M4": 120, "M4 Pro": 273, "M4 Max": 546, "M5": 153,
}  # fmt: skip
_REBUILD = (
    'CMAKE_ARGS="{flags}" {python} -m pip install --force-reinstall --no-deps --no-cache-dir '
    "--no-binary llama-cpp-python llama-cpp-python"
)
_FLAGS = {"NVIDIA": "-DGGML_CUDA=on", "AMD": "-DGGML_HIP=on", "Intel": "-DGGML_VULKAN=on", "Apple": "-DGGML_METAL=on"}
_TOOLS = {
    "NVIDIA": "the CUDA toolkit (nvcc)", "AMD": "ROCm (hipcc)", "Intel": "the Vulkan SDK (glslc)",
    "Apple": "Xcode's command line tools",
}  # fmt: skip


@frozen
class Gpu:
    """One GPU.

    Attributes:
        maker: NVIDIA, AMD, Intel or Apple.
        total, free: bytes of memory that models can have; 0: not known.
        bandwidth: bytes per second from its memory; flops: of 32-bit floats; 0: not known.
        shared: it has no memory of its own, but the machine's.
    """

    name: str
    maker: str
    total: int = 0
    free: int = 0
    bandwidth: float = 0.0
    flops: float = 0.0
    shared: bool = False


def find(build: Build) -> tuple[Gpu, ...]:
    """All GPUs, those with the most memory first."""
    found = [*_nvidia(), *_apple(build)]
    if not found:
        found = [_seen(device.name, device.description, device.total, device.free) for device in build.devices]
    if not found:
        found = list(_plugged_in())
    return tuple(sorted(found, key=lambda gpu: -gpu.total))


def as_of_now(known: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """GPUs that were found earlier, with the memory that is free now as far as NVIDIA's driver tells, which takes
    milliseconds.  Others count with all they have: what was free then says nothing, since a host may have run."""
    now = list(_nvidia()) if any(gpu.maker == "NVIDIA" for gpu in known) else []
    cards = []
    for gpu in known:
        same = next((card for card in now if (card.name, card.total) == (gpu.name, gpu.total)), None)
        if same is not None:
            now.remove(same)
        cards.append(evolve(gpu, free=same.free if same is not None else gpu.total or gpu.free))
    return tuple(cards)


def rebuild_command(gpu: Gpu, python: str = sys.executable) -> str:
    """What makes a llama.cpp for this GPU: compiled anew, past the CPU wheel that pip keeps."""
    return _REBUILD.format(flags=_FLAGS.get(gpu.maker, "-DGGML_VULKAN=on"), python=python)


def rebuild_needs(gpu: Gpu) -> str:
    """What has to be installed for that."""
    return _TOOLS.get(gpu.maker, "the Vulkan SDK (glslc)")


def _nvidia() -> Iterator[Gpu]:
    try:
        import pynvml
    except ImportError:
        return
    yield from nvidia(pynvml)


def nvidia(nvml: Any) -> Iterator[Gpu]:
    """NVIDIA's cards, as the bindings `nvml` tell."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return
    try:
        for index in range(nvml.nvmlDeviceGetCount()):
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            name = nvml.nvmlDeviceGetName(handle)
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            yield Gpu(
                name if isinstance(name, str) else name.decode(),
                "NVIDIA",
                int(memory.total),
                int(memory.free),
                # Two transfers a clock, and a bus in bits.
                _asked(nvml, lambda h: nvml.nvmlDeviceGetMemoryBusWidth(h) / 8, handle)
                * _asked(nvml, lambda h: nvml.nvmlDeviceGetMaxClockInfo(h, nvml.NVML_CLOCK_MEM) * 2e6, handle),
                # A multiplication and an addition a clock and core.
                _asked(nvml, nvml.nvmlDeviceGetNumGpuCores, handle)
                * _asked(nvml, lambda h: nvml.nvmlDeviceGetMaxClockInfo(h, nvml.NVML_CLOCK_SM) * 2e6, handle),
            )
    except nvml.NVMLError:  # what could be told has been
        return
    finally:
        nvml.nvmlShutdown()


def _asked(nvml: Any, question: Any, handle: Any) -> float:
    try:
        return float(question(handle))
    except nvml.NVMLError:
        return 0.0


def _apple(build: Build) -> Iterator[Gpu]:
    if sys.platform != "darwin" or platform.machine() != "arm64":
        return
    for device in build.devices:
        yield _seen(device.name, device.description, device.total, device.free)
    if not build.devices:
        yield _seen("Apple", "Apple GPU", 0, 0)


def _seen(name: str, description: str, total: int, free: int) -> Gpu:
    """A GPU that llama.cpp has named."""
    text = f"{name} {description}"
    makers = {"NVIDIA": "NVIDIA", "CUDA": "NVIDIA", "AMD": "AMD", "Radeon": "AMD", "ROCm": "AMD", "Apple": "Apple"}
    maker = next((maker for word, maker in makers.items() if word.lower() in text.lower()), "Intel")
    shared = maker == "Apple" or (maker == "Intel" and "arc" not in text.lower())
    return Gpu(description or name, maker, total, free, apple_bandwidth(description), 0.0, shared)


def apple_bandwidth(description: str) -> float:
    """Bytes per second of an Apple chip; 0 for others."""
    name = description.removeprefix("Apple ").strip()
    return _APPLE.get(name, 0) * 1e9 if description.startswith("Apple") else 0.0


def _plugged_in(drm: Path = DRM) -> Iterator[Gpu]:
    """Cards that Linux knows of, without anything that could tell their memory but AMD's driver."""
    for card in sorted(drm.glob("card?")):
        maker = _VENDORS.get(_text(card / "device" / "vendor"), "")
        total = _text(card / "device" / "mem_info_vram_total")
        used = _text(card / "device" / "mem_info_vram_used")
        if maker and not (maker == "Intel" and not total):  # a processor's own graphics is no gain
            size = int(total or 0)
            yield Gpu(f"{maker} graphics", maker, size, size - int(used or 0))


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return ""
