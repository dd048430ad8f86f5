"""How many cores there are to share between generation and tests: the physical ones this process may really use.

The machine's core count is not it: affinity masks, containers and cgroup limits take cores away, and a second thread
on one physical core only gets in the first one's way.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from engine.machine.cgroups import groups, number


def usable_cores() -> int:
    """Physical cores available to this process, at least 1."""
    cores = physical_cores()
    quota = _cgroup_limit()
    return max(1, min(cores, math.floor(quota)) if quota is not None else cores)


def workers_for_tests(cores: int) -> int:
    """Runs of the tests at a time, beside the model host, which takes what they leave: each decode step waits for all
    of its threads, so a core that it shares with tests slows the others down, too (see `host.governor`).
    """
    return max(1, cores // 4)


def physical_cores() -> int:
    """Physical cores that this process may run on, however little of their time a container leaves it."""
    if not hasattr(os, "sched_getaffinity"):  # macOS and Windows have no portable mask
        import psutil  # slow to load, and not needed elsewhere

        return psutil.cpu_count(logical=False) or os.cpu_count() or 1
    cores = set()
    for cpu in os.sched_getaffinity(0):
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
        try:
            cores.add((topology / "thread_siblings_list").read_text("ascii").strip())
        except OSError:
            cores.add(str(cpu))  # hidden in some containers: each counts as a core
    return len(cores)


def _cgroup_limit() -> float | None:
    """CPUs that this process's cgroups allow; None without a limit."""
    limits = [_limit_v1(folder) if version == 1 else _limit_v2(folder) for version, folder in groups("cpu")]
    return min((limit for limit in limits if limit is not None), default=None)


def _limit_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _limit_v1(folder: Path) -> float | None:
    quota, period = number(folder / "cpu.cfs_quota_us"), number(folder / "cpu.cfs_period_us")
    return quota / period if quota and period and quota > 0 else None
