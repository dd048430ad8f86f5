"""The file system as a confined command sees it: what the order shows, and nothing else.

Built in steps.  `build_base` makes a new root that holds the shown folders, read-only, at their own paths, and
leaves the old root behind.  `build_own` gives one command what it can write to: a layer over the workspace, a home, a
/tmp, all in one piece of memory with one quota, which vanishes with the command.  Between the two, a server can fork
for each command in a mount namespace of its own, and make all but the workspace's layer (`build_places`) ahead of time.

Neither leaves a descriptor open.  Both need the privileges of a user namespace, which `confine.drop_privileges` ends.

Order (see `namespaces.py`): root, shadow, home, shown, links, private, writable, hidden, files, disk_bytes.
"""

from __future__ import annotations

import contextlib
import os
import stat

from .mounts import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    Descriptors,
    bind,
    by_descriptor,
    change_root,
    everything_read_only,
    is_inside,
    make_read_only,
    make_writable,
    mount,
    mount_tmpfs,
    touch,
)

TYPE_CHECKING = False  # as `typing` has it, which takes a tenth of the whole start to import
if TYPE_CHECKING:
    from typing import Any

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
EMPTY = ("/tmp", "/var/tmp", "/dev/shm")  # each begins empty and can be written to, as the home folder can
PLACES = ("/tmp", "/var/tmp", "/mnt", "/run", "/dev/shm")  # one of them holds the new root until it is the root
SMALL = 1 << 22


def build_base(order: dict[str, Any]) -> None:
    """The new root, with the shown folders and a /proc of this process's PID namespace."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    everything_read_only()
    with Descriptors() as held:
        root = order["root"]
        workspace = held.open(order["shadow"] or root)
        shown = {path: held.open(path) for path in outermost(order["shown"], root) if os.path.exists(path)}
        devices = {name: held.open(f"/dev/{name}") for name in DEVICES if os.path.exists(f"/dev/{name}")}
        new = next(folder for folder in PLACES if os.path.isdir(folder))
        mount_tmpfs(new, SMALL)
        for folder in ("/proc", "/sys", "/run", *EMPTY, *([order["home"]] if order["home"] else [])):
            os.makedirs(new + folder, exist_ok=True)
        for path, number in shown.items():
            bind(number, new + path)
        bind(workspace, new + root)
        lay_links(order["links"], new)
        for path in order["private"]:
            cover(new + path, devices["null"])
        build_devices(devices, new)
        mount("proc", f"{new}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        change_root(new)
    make_read_only("/")


def build_own(order: dict[str, Any], *, new_proc: bool = False) -> None:
    """What one command has for itself.  `new_proc`: it has a PID namespace that /proc is not yet of."""
    with Descriptors() as held:
        build_workspace(order, build_places(order, held, new_proc=new_proc))


def build_places(order: dict[str, Any], held: Descriptors, *, new_proc: bool = False) -> Workspace:
    """All that a command can write to but the workspace, which is as it was; what is still needed stays in `held`."""
    root, home, size = order["root"], order["home"], order["disk_bytes"]
    if new_proc:
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    fresh = [*EMPTY, *([home] if home and not is_inside(home, root) else [])]
    workspace = held.open(root)
    covered = [path for path in outermost(order["shown"], root) if any(is_inside(path, f) for f in fresh)]
    kept = {path: held.open(path) for path in covered if os.path.exists(path)}
    writable = {path: held.open(path) for path in order["writable"] if os.path.exists(path)}
    mount_tmpfs("/tmp", size)  # all that is written goes there
    for number, folder in enumerate(fresh):
        os.mkdir(f"/tmp/{number}")
        os.chmod(f"/tmp/{number}", 0o700 if folder == home else 0o1777)
    own = {folder: held.open(f"/tmp/{number}") for number, folder in enumerate(fresh)}
    layers = Layers("/tmp/root", workspace, held)
    os.mkdir("/tmp/files")
    files = held.open("/tmp/files")
    for folder in sorted(fresh, key=len):
        bind(own[folder], folder)
    for path, number in kept.items():
        bind(number, path)
    lay_links([link for link in order["links"] if any(is_inside(link[0], folder) for folder in fresh)], "")
    if any(is_inside(root, folder) for folder in fresh):
        bind(workspace, root)
    with contextlib.suppress(OSError):  # tests without pseudo-terminals then
        mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    return Workspace(workspace, layers, writable, files)


def build_workspace(order: dict[str, Any], place: Workspace) -> None:
    """The workspace as the command has it: what it writes goes into memory, and the ordered texts stand in it."""
    root, size = order["root"], order["disk_bytes"]
    if order["shadow"]:
        bind(place.lower, root)
        make_writable(root)
    else:
        place.layers.mount(root)
    for path, number in place.writable.items():
        bind(number, path)
        make_writable(path)
    for path in order["hidden"]:
        hide(path, root, size)
    for index, (path, text) in enumerate(order["files"]):
        write_file(root, path, text.encode("latin-1"), f"{by_descriptor(place.files)}/{index}")


class Workspace:
    """What `build_workspace` needs of the places that were made before: open descriptors."""

    def __init__(self, lower: int, layers: Layers, writable: dict[str, int], files: int) -> None:
        self.lower, self.layers, self.writable, self.files = lower, layers, writable, files


def outermost(paths: list[str], root: str) -> list[str]:
    """Those that lie neither in another one nor in the workspace, outer ones first."""
    found: list[str] = []
    for path in sorted(paths, key=len):
        if not any(is_inside(path, other) for other in (*found, root)):
            found.append(path)
    return found


def lay_links(links: list[tuple[str, str]], new: str) -> None:
    """Symbolic links on the way to what is shown."""
    for path, target in links:
        if not os.path.lexists(new + path):
            os.makedirs(os.path.dirname(new + path), exist_ok=True)
            os.symlink(target, new + path)


def build_devices(devices: dict[str, int], new: str) -> None:
    """A /dev that holds nothing but the harmless ones; the host's own are out of reach even for root."""
    for name, number in devices.items():
        touch(f"{new}/dev/{name}")
        mount(by_descriptor(number), f"{new}/dev/{name}", None, MS_BIND)
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", f"{new}/dev/{name}")
    os.mkdir(f"{new}/dev/pts")
    os.symlink("pts/ptmx", f"{new}/dev/ptmx")


class Layers:
    """Where an overlay keeps what is written: two folders in memory, the upper one with the mode of the original."""

    def __init__(self, place: str, lower: int, held: Descriptors) -> None:
        for folder in (place, f"{place}-work"):
            os.mkdir(folder)
        os.chmod(place, stat.S_IMODE(os.fstat(lower).st_mode))
        self._folders = (("lower", lower), ("upper", held.open(place)), ("work", held.open(f"{place}-work")))

    def mount(self, target: str) -> None:
        data = ",".join(f"{name}dir={by_descriptor(number)}" for name, number in self._folders)
        try:
            mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, f"{data},userxattr")
        except OSError:  # before 5.11, or a tmpfs without user attributes
            mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, data)


def write_file(root: str, path: str, content: bytes, spare: str) -> None:
    """Put a text in place of a file.

    A file outside the workspace (or a link to one) is covered by another, and so is one whose owner or group has no
    number in this namespace, because the overlay cannot copy it up.  One in a folder that is not shown is left out:
    no code could come upon it.
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
        if not is_inside(real, root) and not os.path.isdir(os.path.dirname(real)):
            return
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


def hide(path: str, root: str, size: int) -> None:
    """Nothing is to be seen of a file or folder.  A text can still be put there, if it lies in the workspace."""
    real = os.path.realpath(path)
    if is_inside(real, root) and os.path.isfile(real):
        with contextlib.suppress(OSError):
            os.unlink(real)  # of the layer in memory, or of the copy
            return
    if os.path.isdir(real):
        mount_tmpfs(real, size if is_inside(real, root) else SMALL)
    elif os.path.exists(real):
        mount("/dev/null", real, None, MS_BIND)


def cover(path: str, nothing: int) -> None:
    """Nothing is to be seen of a file or folder that is shown with others."""
    if os.path.isdir(path):
        mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "size=4096,nr_inodes=2,mode=755")
    elif os.path.exists(path):
        mount(by_descriptor(nothing), path, None, MS_BIND)
