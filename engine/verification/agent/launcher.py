"""Start one command in Linux namespaces of its own: the workspace at its original path, nothing to be harmed.

Run as `python -I -S launcher.py CONTROL_FD`; the first line of stdin is the order (JSON, see `namespaces.py`), and
its end of file means: stop.  Needs no privileges.  Two processes stay: the outer one waits, the inner
one is the first process of a PID namespace, so that its end takes every descendant with it.  What became of the
command is told as JSON lines on CONTROL_FD, which the command never sees.

What the command sees of the file system is built by `view`.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from engine.verification.agent.view import build_view, check, libc
else:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # -I leaves it out
    from view import build_view, check, libc

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
CAPABILITY_VERSION_3 = 0x20080522
WATCH_SECONDS = 0.05  # how often memory and number of the processes are summed up


def enter_namespaces() -> None:
    uid, gid = os.getuid(), os.getgid()
    check(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS),
          "unshare")  # fmt: skip
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as handle:
            handle.write(text)


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: UP | RUNNING


def drop_privileges() -> None:
    try:
        with open("/proc/sys/user/max_user_namespaces", "w", encoding="ascii") as handle:
            handle.write("0")  # in the new namespace alone: no capabilities by way of a nested one
    except OSError:
        pass  # not offered by this kernel
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as handle:
        last = int(handle.read())
    for capability in range(last + 1):
        check(libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), "drop capability")
    check(libc.capset(struct.pack("Ii", CAPABILITY_VERSION_3, 0), bytes(24)), "capset")


def set_limits(limits: dict[str, int]) -> None:
    kinds = {"memory": resource.RLIMIT_AS, "file": resource.RLIMIT_FSIZE, "processes": resource.RLIMIT_NPROC,
             "cpu": resource.RLIMIT_CPU, "core": resource.RLIMIT_CORE}  # fmt: skip
    for name, value in limits.items():
        hard = resource.getrlimit(kinds[name])[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kinds[name], (value, value))


def start_command(order: dict[str, Any]) -> int:
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
        os.nice(order["nice"])
        set_limits(order["limits"])
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execve(order["argv"][0], order["argv"], dict(os.environ))
    except OSError as error:
        os.write(2, f"{order['argv'][0]}: {error}\n".encode())
    os._exit(127)


def too_much(limits: dict[str, int]) -> str:
    """`memory` or `processes` if the whole tree uses more than its share, else nothing."""
    pids = [name for name in os.listdir("/proc") if name.isdigit() and name != "1"]
    if len(pids) > limits["processes"]:
        return "processes"
    pages = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm", encoding="ascii") as handle:
                _, resident, shared = handle.read().split()[:3]
            pages += int(resident) - int(shared)
        except OSError:
            continue  # it has ended
    return "memory" if pages * resource.getpagesize() > limits["memory"] else ""


def inner(order: dict[str, Any], control: int, started: int) -> NoReturn:
    """The first process of the namespace: build the view, start the command, watch it, end everything with it."""
    check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "parent's death")
    os.read(started, 1) or os._exit(1)  # the outer process died before the line above took hold
    try:
        build_view(order)
        loopback_up()
        drop_privileges()
        check(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "dumpable")  # the command cannot look into this process
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        command = start_command(order)
    except OSError as error:
        tell(control, error=str(error))
        os._exit(1)
    limits = order["limits"]
    deadline = time.monotonic() + order["seconds"]
    next_look = 0.0
    while True:
        signal.sigtimedwait({signal.SIGCHLD}, WATCH_SECONDS)
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
            exceeded = too_much(limits)
            if exceeded:
                tell(control, exceeded=exceeded)
                break
    end_all()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    tell(control, cpu_seconds=usage.ru_utime + usage.ru_stime)
    os._exit(0)


def reap(command: int) -> int | None:
    """Collect what has ended (orphans come here too); the command's exit status, if it is among them."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == command:
            return os.waitstatus_to_exitcode(status)
        if pid == 0:
            return None


def end_all() -> None:
    """Kill whatever is left of the namespace and wait for it, so that its CPU time is counted."""
    try:
        os.kill(-1, signal.SIGKILL)
        while True:
            os.waitpid(-1, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def tell(control: int, **what: Any) -> None:
    os.write(control, json.dumps(what).encode() + b"\n")


def read_order() -> dict[str, Any]:
    received = b""
    while not received.endswith(b"\n"):
        piece = os.read(0, 1 << 20)
        if not piece:
            sys.exit("the order is incomplete")
        received += piece
    order: dict[str, Any] = json.loads(received)
    return order


def main() -> None:
    control = int(sys.argv[1])
    os.set_inheritable(control, False)
    order = read_order()
    try:
        enter_namespaces()
    except OSError as error:
        tell(control, error=str(error))
        sys.exit(1)
    ready, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go)
        inner(order, control, ready)
    os.close(ready)
    os.write(go, b"!")
    ended = os.pidfd_open(pid)
    select.select([0, ended], [], [], order["seconds"] + 1.0)  # the inner one keeps the limit; this is for its failure
    os.kill(pid, signal.SIGKILL)  # not yet waited for, so the number is still its own
    os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
