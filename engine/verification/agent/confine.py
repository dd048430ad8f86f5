"""The steps into confinement that are not mounts: namespaces, privileges, limits; and the last one, the filter."""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import struct

from . import seccomp
from .mounts import MS_NODEV, MS_NOEXEC, MS_NOSUID, check, libc, make_read_only

TYPE_CHECKING = False  # as `typing` has it, which takes a tenth of the whole start to import
if TYPE_CHECKING:
    from typing import Any

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
PR_SET_DUMPABLE, PR_CAPBSET_DROP = 4, 24
CAPABILITY_VERSION_3, CAP_SETFCAP = 0x20080522, 31
LIMITS = {"memory": resource.RLIMIT_AS, "file": resource.RLIMIT_FSIZE, "processes": resource.RLIMIT_NPROC,
          "cpu": resource.RLIMIT_CPU, "core": resource.RLIMIT_CORE, "files": resource.RLIMIT_NOFILE}  # fmt: skip


def enter_namespaces(*, user: bool = True, network: bool = False) -> None:
    """New ones for mounts, processes, IPC and names; and for users and the network, if asked for.

    Args:
        user: a user namespace too, with this user's numbers; without, the caller has privileges in its own.
        network: the command shares the network of the host.
    """
    uid, gid = os.getuid(), os.getgid()
    kinds = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS
    check(libc.unshare(kinds | (CLONE_NEWUSER if user else 0) | (0 if network else CLONE_NEWNET)), "unshare")
    maps = (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")) if user else ()
    for name, text in maps:
        with open(f"/proc/self/{name}", "w", encoding="ascii") as handle:
            handle.write(text)


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: UP | RUNNING


def drop_privileges(*, nesting: bool = False) -> None:
    """No capabilities, now or later; and settings of the kernel that belong to the host's root stay as they are.

    Args:
        nesting: it may make namespaces in which it has capabilities again, but never more than these.
    """
    if nesting:
        check(libc.prctl(seccomp.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
        kept = 1 << CAP_SETFCAP if os.getuid() == 0 else 0  # without it, root cannot be root in a nested namespace
        header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
        check(libc.capset(header, struct.pack("6I", kept, kept, 0, 0, 0, 0)), "capset")
        return
    try:
        with open("/proc/sys/user/max_user_namespaces", "w", encoding="ascii") as handle:
            handle.write("0")  # in the new namespace alone: no capabilities by way of a nested one
    except OSError:
        pass  # not offered by this kernel
    make_read_only("/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)  # where they are files, root needs no capability
    check(libc.prctl(seccomp.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as handle:
        last = int(handle.read())
    for capability in range(last + 1):
        check(libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), "drop capability")
    check(libc.capset(struct.pack("Ii", CAPABILITY_VERSION_3, 0), bytes(24)), "capset")


def undumpable() -> None:
    """No process of the command can look into this one."""
    check(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "dumpable")


def set_limits(limits: dict[str, int]) -> None:
    """For this process and each that it starts; never above what it has now."""
    for name, value in limits.items():
        hard = resource.getrlimit(LIMITS[name])[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(LIMITS[name], (value, value))


def last_step(order: dict[str, Any]) -> None:
    """In the process that will run the command, just before it does: limits and the filter."""
    os.nice(order["nice"])
    set_limits(order["limits"])
    if seccomp.is_known() and not order.get("nesting"):
        seccomp.within_namespaces().install()
