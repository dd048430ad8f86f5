"""Mounts by way of the C library, in a mount namespace of our own.

The smallest steps that `view` builds a file system from.  Paths are opened with O_PATH first wherever another mount may
cover them before they are used.
"""

from __future__ import annotations

import ctypes
import os
import re
import stat

libc = ctypes.CDLL(None, use_errno=True)

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 1 << 18
MNT_DETACH = 2
AT_FDCWD, AT_RECURSIVE, SYS_MOUNT_SETATTR = -100, 0x8000, 442  # the number is the same on every architecture
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217, "armv7l": 218}
BYTES_PER_FILE = 4096  # each file counts at least so much


class MountAttr(ctypes.Structure):
    """`struct mount_attr` of mount_setattr(2)."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns_fd")]


def check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str | None, flags: int = 0, data: str = "") -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    check(libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), os.fsencode(data) or None),
          f"mount {kind or 'bind'} on {target}")  # fmt: skip


def mount_tmpfs(target: str, size: int, mode: str = "755") -> None:
    """An empty folder in memory, of at most `size` bytes."""
    files = max(size // BYTES_PER_FILE, 1024)
    mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, f"size={size},nr_inodes={files},mode={mode}")


def set_attributes(target: str, *, set_flags: int = 0, clear: int = 0, recursive: bool = False) -> None:
    """mount_setattr(2); the flags RDONLY and NOSUID have the values of mount(2)."""
    attr = MountAttr(set_flags, clear, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    check(libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, os.fsencode(target), flags, ctypes.byref(attr),
                       ctypes.sizeof(attr)), f"attributes of {target}")  # fmt: skip


def everything_read_only() -> None:
    """Every mount there is becomes read-only in this namespace; one by one on kernels before 5.12."""
    try:
        set_attributes("/", set_flags=MS_RDONLY | MS_NOSUID, recursive=True)
        return
    except OSError:
        pass  # an old kernel, or one that forbids the call
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        rows = [line.split() for line in table]
    names = {"nodev": MS_NODEV, "noexec": MS_NOEXEC, "noatime": 1024, "nodiratime": 2048, "relatime": 1 << 21}
    for row in rows:
        target = re.sub(r"\\([0-7]{3})", lambda escape: chr(int(escape[1], 8)), row[4])
        flags = sum(names.get(option, 0) for option in row[5].split(","))
        try:
            mount("none", target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | flags)
        except OSError:
            if not target.startswith(("/proc", "/dev", "/run", "/sys", "/tmp")):
                raise


def make_writable(target: str) -> None:
    try:
        set_attributes(target, clear=MS_RDONLY)
    except OSError:
        mount("none", target, None, MS_REMOUNT | MS_BIND | MS_NOSUID)


def make_read_only(target: str, flags: int = MS_NOSUID | MS_NODEV) -> None:
    mount("none", target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | flags)


def change_root(folder: str) -> None:
    """Make `folder`, a mount, the root; what was the root before is out of reach (pivot_root(2), with two dots)."""
    os.chdir(folder)
    check(libc.syscall(SYS_PIVOT_ROOT[os.uname().machine], b".", b"."), "pivot_root")
    check(libc.umount2(b".", MNT_DETACH), "leave the old root")
    os.chdir("/")


def is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


class Descriptors:
    """Paths held open until the end of a `with`: descriptors that stay would be a way around what covers them."""

    def __init__(self) -> None:
        self._numbers: list[int] = []

    def __enter__(self) -> Descriptors:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Where a process was forked meanwhile, each has its own to close."""
        for number in self._numbers:
            os.close(number)
        self._numbers.clear()

    def open(self, path: str) -> int:
        number = os.open(path, os.O_PATH | os.O_CLOEXEC)
        self._numbers.append(number)
        return number


def by_descriptor(number: int) -> str:
    """A path that stays good when another mount covers the place."""
    return f"/proc/self/fd/{number}"


def bind(number: int, target: str) -> None:
    """Show what was opened at `target`, which is made if it is missing, with everything mounted below it."""
    if stat.S_ISDIR(os.fstat(number).st_mode):
        os.makedirs(target, exist_ok=True)
    elif not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        touch(target)
    mount(by_descriptor(number), target, None, MS_BIND | MS_REC)


def touch(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
