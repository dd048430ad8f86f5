"""How many threads llama.cpp gets: the physical cores this process may really use.

The machine's core count is not it: affinity masks, containers and cgroup limits take cores away, and a second thread
on one physical core only gets in the first one's way.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import psutil


def usable_cores() -> int:
    """Physical cores available to this process, at least 1."""
    cores = _physical_cores()
    quota = _cgroup_limit(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"))
    return max(1, min(cores, math.floor(quota)) if quota is not None else cores)


def _physical_cores() -> int:
    if not hasattr(os, "sched_getaffinity"):  # macOS and Windows have no portable mask
        return psutil.cpu_count(logical=False) or os.cpu_count() or 1
    cores = set()
    for cpu in os.sched_getaffinity(0):
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
        try:
            cores.add((topology / "thread_siblings_list").read_text("ascii").strip())
        except OSError:
            cores.add(str(cpu))  # hidden in some containers: each counts as a core
    return len(cores)


def _cgroup_limit(root: Path, membership: Path) -> float | None:
    """CPUs that the cgroup (v2, or v1's cpu controller) and those around it allow; None without a limit."""
    try:
        entries = [line.split(":", 2) for line in membership.read_text("utf-8").splitlines()]
    except OSError:
        return None
    limits: list[float] = []
    for _number, controllers, path in entries:
        base = root if not controllers else root / "cpu" if "cpu" in controllers.split(",") else None
        if base is None:
            continue
        inner = base / path.lstrip("/")
        for folder in (inner, *inner.parents):
            limit = _limit_v1(folder) if controllers else _limit_v2(folder)
            if limit is not None:
                limits.append(limit)
            if folder == base:
                break
    return min(limits, default=None)


def _limit_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _limit_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text("ascii"))
        period = int((folder / "cpu.cfs_period_us").read_text("ascii"))
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 else None
