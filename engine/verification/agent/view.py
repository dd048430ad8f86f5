"""The file system as a confined command sees it: mounts in a namespace of our own, by way of the C library.

Used by `launcher`, in Greenfinch's own interpreter.  `build_view` tells the order of things.
"""

from __future__ import annotations

import ctypes
import os
import re
import stat
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 1 << 18
AT_FDCWD, AT_RECURSIVE, SYS_MOUNT_SETATTR = -100, 0x8000, 442  # the number is the same on every architecture
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


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
    mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, f"size={size},mode={mode}")


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


def is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def open_path(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def by_descriptor(number: int) -> str:
    """A path that stays good when another mount covers the place."""
    return f"/proc/self/fd/{number}"


def build_view(order: dict[str, Any]) -> None:
    """Mounts, in an order that lets the workspace and the interpreter lie inside folders that are replaced.

    What must stay visible is opened first; then everything becomes read-only, /tmp and its like are covered by empty
    folders, and what was opened is put back.  The upper layers lie in a tmpfs that the new /tmp covers.
    """
    root, size = order["root"], order["disk_bytes"]
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    masked = [folder for folder in order["masked"] if os.path.isdir(folder)]
    kept: dict[str, int] = {}
    for path in sorted(order["kept"], key=len):
        if any(is_inside(path, folder) for folder in masked) and not any(is_inside(path, other) for other in kept):
            kept[path] = open_path(path)
    workspace = open_path(order["shadow"] or root)
    is_masked_home = any(is_inside(order["home"], folder) for folder in masked)
    home = open_path(order["home"]) if order["home"] and not is_masked_home else None
    devices = {name: open_path(f"/dev/{name}") for name in DEVICES if os.path.exists(f"/dev/{name}")}
    everything_read_only()

    place = next(folder for folder in (*masked, "/mnt") if os.path.isdir(folder))
    mount_tmpfs(place, size)
    root_layers = Layers(f"{place}/root", workspace)
    home_layers = Layers(f"{place}/home", home) if home is not None else None
    os.mkdir(f"{place}/files")
    files = open_path(f"{place}/files")
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    if home_layers:
        try:
            home_layers.mount(order["home"])
        except OSError:
            pass  # home stays read-only
    for folder in masked:
        mount_tmpfs(folder, size, "1777")
    build_devices(devices, size)
    for path, number in kept.items():
        if path != root:
            put_back(path, number)
    if any(is_inside(root, folder) for folder in masked):
        os.makedirs(root, exist_ok=True)
    if order["shadow"]:
        mount(by_descriptor(workspace), root, None, MS_BIND | MS_REC)
        make_writable(root)
    else:
        root_layers.mount(root)
    for index, (path, text) in enumerate(order["files"]):
        write_file(root, path, text.encode("latin-1"), f"{by_descriptor(files)}/{index}")
    for path in order["hidden"]:
        hide(path)


class Layers:
    """Where an overlay keeps what is written: two folders in memory, the upper one with the mode of the original."""

    def __init__(self, place: str, lower: int) -> None:
        for folder in (place, f"{place}-work"):
            os.mkdir(folder)
        os.chmod(place, stat.S_IMODE(os.fstat(lower).st_mode))
        self.lower, self.upper, self.work = lower, open_path(place), open_path(f"{place}-work")

    def mount(self, target: str) -> None:
        folders = (("lower", self.lower), ("upper", self.upper), ("work", self.work))
        data = ",".join(f"{name}dir={by_descriptor(number)}" for name, number in folders)
        try:
            mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, f"{data},userxattr")
        except OSError:  # before 5.11, or a tmpfs without user attributes
            mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, data)


def make_writable(target: str) -> None:
    try:
        set_attributes(target, clear=MS_RDONLY)
    except OSError:
        mount("none", target, None, MS_REMOUNT | MS_BIND | MS_NOSUID)


def put_back(path: str, number: int) -> None:
    if stat.S_ISDIR(os.fstat(number).st_mode):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        touch(path)
    mount(by_descriptor(number), path, None, MS_BIND | MS_REC)


def touch(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def build_devices(devices: dict[str, int], size: int) -> None:
    """A /dev that holds nothing but the harmless ones; the host's own are out of reach even for root."""
    mount_tmpfs("/dev", 1 << 20)
    for name, number in devices.items():
        touch(f"/dev/{name}")
        mount(by_descriptor(number), f"/dev/{name}", None, MS_BIND)
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", f"/dev/{name}")
    os.mkdir("/dev/shm")
    mount_tmpfs("/dev/shm", size, "1777")
    os.mkdir("/dev/pts")
    try:
        mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
        os.symlink("pts/ptmx", "/dev/ptmx")
    except OSError:
        pass  # tests without pseudo-terminals then


def write_file(root: str, path: str, content: bytes, spare: str) -> None:
    """Put a text in place of a file.

    A file outside the workspace (or a link to one) is covered by another, and so is one whose owner or group has no
    number in this namespace, because the overlay cannot copy it up.
    """
    real = os.path.realpath(path)
    try:
        if not is_inside(real, root):
            raise PermissionError(real)
        os.makedirs(os.path.dirname(real), exist_ok=True)
        with open(real, "wb") as handle:
            handle.write(content)
        forget_compiled(real)
    except OSError:
        if not os.path.exists(real):
            raise
        with open(spare, "wb") as handle:
            handle.write(content)
        os.utime(spare, (1, 1))  # no compiled form of the original has this time stamp
        mount(spare, real, None, MS_BIND)


def forget_compiled(path: str) -> None:
    """Remove compiled forms of the file before: they are told from new ones by whole seconds and the size alone."""
    folder, name = os.path.split(path)
    stem, cache = name.rpartition(".")[0], os.path.join(folder, "__pycache__")
    for compiled in os.listdir(cache) if stem and os.path.isdir(cache) else ():
        if compiled.startswith(stem + "."):
            os.unlink(os.path.join(cache, compiled))


def hide(path: str) -> None:
    if os.path.isdir(path):
        mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_RDONLY, "size=4096,mode=755")
    elif os.path.exists(path):
        mount("/dev/null", path, None, MS_BIND)
