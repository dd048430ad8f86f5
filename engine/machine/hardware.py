"""The machine as models see it, read in a second or two; plain data, so that it can be kept and told of elsewhere."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import attrs
import cattrs
import platformdirs
import psutil
from attrs import frozen

from engine.machine import devices, gpus, speed
from engine.machine.cpus import usable_cores
from engine.machine.gpus import Gpu
from engine.machine.memory import available_bytes

_KEPT = "machine.json"
_BUILD = "llama_cpp"  # of what is kept: `devices.fingerprint` of the build that was asked and measured with


@frozen
class Hardware:
    """What was found.

    Attributes:
        cores: physical ones that this process may use.
        vectors: instructions that the installed llama.cpp uses.
        ram, ram_free: bytes; free is what a process can still get, limits of containers included.
        bandwidth, flops, batch_flops: of the cores together, as `speed.Speed` has them; 0: not measured.
        gpus: all of them; gpu_build: whether the installed llama.cpp can use one.
    """

    cpu: str
    cores: int
    vectors: tuple[str, ...]
    ram: int
    ram_free: int
    bandwidth: float = 0.0
    flops: float = 0.0
    batch_flops: float = 0.0
    gpus: tuple[Gpu, ...] = ()
    gpu_build: bool = False
    system: str = ""

    @property
    def gpu(self) -> Gpu | None:
        """The GPU that models can have: the largest one, if llama.cpp can use it."""
        return self.gpus[0] if self.gpus and self.gpu_build else None

    def as_json(self) -> dict[str, Any]:
        """Plain data, which `load` reads."""
        return attrs.asdict(self)


def read() -> Hardware:
    """This machine now.  Blocks for about two seconds of work by all cores."""
    build = devices.ask()
    cores = usable_cores()
    measured = speed.measure(cores)
    return Hardware(
        cpu_name(),
        cores,
        build.features,
        int(psutil.virtual_memory().total),
        available_bytes(),
        measured.bandwidth if measured else 0.0,
        measured.flops if measured else 0.0,
        measured.batch_flops if measured else 0.0,
        gpus.find(build),
        build.gpu,
        f"{platform.system()} {platform.machine()}",
    )


def load(text: str) -> Hardware:
    """A description that `Hardware.as_json` has made.

    Raises:
        ValueError: it is none.
    """
    try:
        return cattrs.structure(json.loads(text), Hardware)
    except (TypeError, KeyError, cattrs.errors.BaseValidationError) as error:
        raise ValueError(f"no description of hardware: {error}") from error


def keep(hardware: Hardware) -> None:
    """Keep a description for `kept`, if the cache folder can be written.

    Of speeds the greater ones are kept, also from earlier: other programs only ever take away from what is measured.
    """
    path = _path()
    if (earlier := kept()) is not None:
        hardware = attrs.evolve(
            hardware,
            bandwidth=max(hardware.bandwidth, earlier.bandwidth),
            flops=max(hardware.flops, earlier.flops),
            batch_flops=max(hardware.batch_flops, earlier.batch_flops),
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**hardware.as_json(), _BUILD: devices.fingerprint()}), "utf-8")
    except OSError:  # it is read anew the next time
        return


def kept() -> Hardware | None:
    """What was kept, with the memory that is free now, that of GPUs included if llama.cpp can use one; None if nothing
    was, or it was of another machine, or measured with another build of llama.cpp."""
    try:
        text = _path().read_text("utf-8")
        found, build = load(text), json.loads(text).get(_BUILD)
    except (OSError, ValueError):
        return None
    if (found.cpu, found.cores, build) != (cpu_name(), usable_cores(), devices.fingerprint()):
        return None
    cards = gpus.as_of_now(found.gpus) if found.gpu_build else found.gpus
    return attrs.evolve(found, ram_free=available_bytes(), gpus=cards)


def cpu_name() -> str:
    """The processor's name, without counts and clocks where these can be told apart."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def system_name() -> str:
    """Operating system, the release of its kernel, and architecture."""
    return f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}"


def load_average() -> float:
    """Programs that wanted to run in the last minute, on average; 0 where the system does not say."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else 0.0


def _path() -> Path:
    return platformdirs.user_cache_path("greenfinch") / _KEPT
