"""Start one command and watch all that comes of it: time, memory, processes; then end everything.

The watching process is the one to which orphans of the command come.  How it finds the processes of the tree and ends
them is the caller's (`Tree`), since that differs with and without a PID namespace.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import time

TYPE_CHECKING = False  # as `typing` has it, which takes a tenth of the whole start to import
if TYPE_CHECKING:
    from typing import Any, Callable

WATCH_SECONDS = 0.05  # how often memory and number of the processes are summed up


class Tree:
    """The processes that came of a command."""

    def pids(self) -> list[int]:
        """Those that are there now."""
        raise NotImplementedError

    def end(self) -> None:
        """Kill them and wait for them, so that their CPU time is counted."""
        raise NotImplementedError

    def is_unwanted(self) -> bool:
        """Whether whoever asked for the command is gone."""
        return False

    def segments(self) -> int:
        """Bytes of memory that is the tree's, but no process's."""
        return 0

    def exceeded(self) -> str:
        """Another limit that is not kept, if there is one; asked often."""
        return ""


def start_command(order: dict[str, Any], last_step: Callable[[dict[str, Any]], None]) -> int:
    """Fork the command off; its stdin is a file in memory with what it is told."""
    request = os.memfd_create("request", os.MFD_CLOEXEC)
    os.write(request, order["stdin"].encode())
    os.lseek(request, 0, os.SEEK_SET)
    pid = os.fork()
    if pid:
        os.close(request)
        return pid
    try:
        os.dup2(request, 0)
        os.setsid()
        os.chdir(order["cwd"])
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        last_step(order)
        os.execve(order["argv"][0], order["argv"], dict(os.environ))
    except OSError as error:
        os.write(2, f"{order['argv'][0]}: {error}\n".encode())
    os._exit(127)


def watch(
    command: int, order: dict[str, Any], control: int, tree: Tree, ends_on: tuple[signal.Signals, ...] = ()
) -> None:
    """Until the command ends or uses up one of its limits; what became of it is told on `control`.

    SIGCHLD and the signals `ends_on` must be blocked.
    """
    limits = order["limits"]
    deadline = time.monotonic() + order["seconds"]
    next_look = 0.0
    while True:
        woken = signal.sigtimedwait({signal.SIGCHLD, *ends_on}, WATCH_SECONDS)
        status = reap(command)
        if status is not None:
            tell(control, status=status)
            break
        now = time.monotonic()
        if now >= deadline:
            tell(control, timed_out=True)
            break
        if now >= next_look:
            next_look = now + WATCH_SECONDS
            exceeded = too_much(tree, order["processes"], limits["memory"]) or tree.exceeded()
            if exceeded:
                tell(control, exceeded=exceeded)
                break
        if tree.is_unwanted() or (woken and woken.si_signo in ends_on):
            break
    tree.end()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    tell(control, cpu_seconds=usage.ru_utime + usage.ru_stime)


def reap(command: int) -> int | None:
    """Collect what has ended (orphans come here too); the command's exit status, if it is among them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid == command:
            return os.waitstatus_to_exitcode(status)
        if pid == 0:
            return None


def too_much(tree: Tree, most_processes: int, most_memory: int) -> str:
    """`memory` or `processes` if the whole tree uses more than its share, else nothing.

    Memory is what the processes have for themselves, swapped out or not, and what they share with each other, counted
    once where the kernel can tell.  Threads count as processes.
    """
    pids = tree.pids()
    if len(pids) > most_processes:
        return "processes"
    own = shared = threads = 0
    for pid in pids:
        found = status_of(pid)
        own += found.get("RssAnon", 0) + found.get("VmSwap", 0)
        shared += found.get("RssShmem", 0)
        threads += found.get("Threads", 0)
    if threads > most_processes:
        return "processes"
    segments = tree.segments()
    if shared and ((own + shared) << 10) + segments > most_memory:
        shared = sum(proportional(pid) for pid in pids)
    return "memory" if ((own + shared) << 10) + segments > most_memory else ""


def status_of(pid: int) -> dict[str, int]:
    """The numbers of /proc/PID/status, in KiB where they are sizes; none if it has ended."""
    found = {}
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as handle:
            for line in handle:
                name, _, value = line.partition(":")
                if name in ("RssAnon", "RssShmem", "VmSwap", "Threads"):
                    found[name] = int(value.split()[0])
    except OSError:
        return {}
    return found


def threads_of_user() -> int:
    """How many threads this user has; root's are not counted by the kernel."""
    user, count = os.getuid(), 0
    for name in os.listdir("/proc") if user else ():
        try:
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == user:
                count += status_of(int(name)).get("Threads", 0)
        except OSError:
            continue  # it has ended
    return count


def proportional(pid: int) -> int:
    """Its share of shared memory in KiB; all of it if the process does not let itself be looked at."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as handle:
            for line in handle:
                if line.startswith("Pss_Shmem:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return status_of(pid).get("RssShmem", 0)


def tell(control: int, **what: Any) -> None:
    os.write(control, json.dumps(what).encode() + b"\n")


def close_all(descriptors: list[int]) -> None:
    """They are the command's alone: whoever holds the other end sees when it has ended."""
    for number in descriptors:
        os.close(number)


def read_order() -> dict[str, Any]:
    """One line of JSON from stdin."""
    received = b""
    while not received.endswith(b"\n"):
        piece = os.read(0, 1 << 20)
        if not piece:
            raise SystemExit("the order is incomplete")
        received += piece
    order: dict[str, Any] = json.loads(received)
    return order
