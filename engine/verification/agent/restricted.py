"""Start one command among the user's processes, with rights to little else than a copy of the workspace (Linux).

Run by `restricted.py` of the room above as `main(CONTROL)`; the first line of stdin is the order (JSON), and its end
of file means: stop.  Landlock bounds the files, a system-call filter the rest; this process, to which orphans come,
watches the tree and ends it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import time

from . import landlock, seccomp
from .confine import set_limits, undumpable
from .mounts import BYTES_PER_FILE, check, libc
from .watch import Tree, close_all, read_order, start_command, tell, threads_of_user, watch

TYPE_CHECKING = False  # as `typing` has it, which takes a tenth of the whole start to import
if TYPE_CHECKING:
    from typing import Any

PR_SET_CHILD_SUBREAPER = 36
DEVICES = ("null", "zero", "full", "random", "urandom")
OF_PROC = ("self", "cpuinfo", "meminfo", "stat", "uptime", "loadavg", "version", "filesystems", "sys/kernel", "sys/vm")
SCOPED = 6  # from this version on, Landlock keeps signals among the command's own processes
MEASURE_SECONDS, MEASURE_SHARE = 0.5, 0.1  # how often what was written is measured, and for which part of the time


class Descendants(Tree):
    """All that came of this process's one child: its descendants, since orphans are given to this process.

    Args:
        folders: what the command may write to. most: bytes it may add to them.
    """

    def __init__(self, folders: list[str], most: int) -> None:
        self._folders, self._most = folders, most + written(folders)
        self._next = time.monotonic() + MEASURE_SECONDS

    def pids(self) -> list[int]:
        found, pending = [], [os.getpid()]
        while pending:
            for child in children(pending.pop()):
                found.append(child)
                pending.append(child)
        return found

    def end(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:  # a process may fork while it is looked for, but none can leave
                for pid in self.pids():
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        if os.getpgid(pid) != os.getpgrp():
                            os.killpg(os.getpgid(pid), signal.SIGKILL)
                        os.kill(pid, signal.SIGKILL)
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass

    def is_unwanted(self) -> bool:
        return bool(select.select([0], [], [], 0)[0])

    def exceeded(self) -> str:
        started = time.monotonic()
        if started < self._next:
            return ""
        much = written(self._folders) > self._most
        now = time.monotonic()
        self._next = now + max(MEASURE_SECONDS, (now - started) / MEASURE_SHARE)
        return "disk" if much else ""


def children(pid: int) -> list[int]:
    """The processes that each thread of a process has started and not yet collected."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as handle:
                found += map(int, handle.read().split())
    except OSError:
        pass  # it has ended
    return found


def written(folders: list[str]) -> int:
    """Bytes of all files in some folders, as the disk counts them; even empty files take some."""
    total, pending = 0, list(folders)
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += max(entry.stat(follow_symlinks=False).st_blocks * 512, BYTES_PER_FILE)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
    return total


def last_step(order: dict[str, Any]) -> None:
    """In the process that will run the command, just before it does."""
    os.nice(order["nice"])
    limits = dict(order["limits"])
    limits["processes"] += threads_of_user()  # the kernel counts them all together
    set_limits(limits)
    rules = landlock.Rules(network=order["network"])
    for path in order["shown"]:
        rules.read(path)
    for name in OF_PROC:
        rules.read(f"/proc/{name}")
    for name in DEVICES:
        rules.write(f"/dev/{name}") if name == "null" else rules.read(f"/dev/{name}")
    for path in order["writable"]:
        rules.write(path)
    watcher = os.getppid()
    with open(f"/proc/{watcher}/stat", encoding="ascii", errors="replace") as handle:
        asker = int(handle.read().rpartition(")")[2].split()[1])
    protected = () if landlock.abi() >= SCOPED else (watcher, asker)
    rules.enforce()
    seccomp.without_namespaces(network=order["network"], protected=protected).install()


def main(control: int) -> None:
    os.set_inheritable(control, False)
    order = read_order()
    try:
        if not (landlock.abi() and seccomp.is_known()):
            raise OSError("this kernel has no Landlock, or there is no system-call filter for this machine")
        check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "subreaper")
        if not children(os.getpid()) and not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
            raise OSError("this kernel does not tell a process's children")
        undumpable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
        tree = Descendants(order["folders"], order["disk_bytes"])
        command = start_command(order, last_step)
        close_all(order["inherited"])
    except OSError as error:
        tell(control, error=str(error))
        raise SystemExit(1) from error
    watch(command, order, control, tree, ends_on=(signal.SIGTERM,))
