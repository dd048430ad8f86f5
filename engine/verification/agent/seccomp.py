"""System calls that no test needs and that lead out of a sandbox, refused by a filter in the kernel (Linux).

The filter is the very last step before a command runs, for it refuses what sets a sandbox up.  It stays for good, and
for all that the command starts.  Numbers are known for x86-64 and 64-bit ARM; elsewhere there is no filter, and
`is_known` says so.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from .mounts import check, libc

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD, EQUAL, GREATER_OR_EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF_LD|W|ABS, BPF_JMP|..., BPF_RET
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column below, AUDIT_ARCH_*
X32 = 0x40000000  # the same calls by other numbers

# (x86-64, ARM); from 424 on, numbers are the same everywhere.
PRIVILEGED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "unshare": (272, 97), "setns": (308, 268), "chroot": (161, 51), "pivot_root": (155, 41), "mount": (165, 40),
    "umount2": (166, 39), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467), "open_by_handle_at": (304, 265), "fanotify_init": (300, 262),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "syslog": (103, 116), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "sethostname": (170, 161), "setdomainname": (171, 162), "vhangup": (153, 58),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "lookup_dcookie": (212, 18),
}  # fmt: skip
# Refused as on an older kernel: what calls them can do without.  Files that memfd_create makes are in no folder with a
# quota and in no process's memory; the flags of clone3 cannot be seen by a filter.
MISSING = {"memfd_create": (319, 279), "memfd_secret": (447, 447), "clone3": (435, 435)}
CLONE, SOCKET, IOCTL = (56, 220), (41, 198), (16, 29)
NEW_NAMESPACES = 0x7E020000
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: each is bounded by a network namespace

# Where the command shares its identifiers with the user's other processes:
SYSTEM_V = {
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190), "semop": (65, 193),
    "semctl": (66, 191), "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181),
}  # fmt: skip
WATCH = (254, 27)  # inotify_add_watch: who reads and writes which file; Landlock knows nothing of it
CHANGE_OWNER = {"chown": (92, 54), "fchown": (93, 55), "lchown": (94, 54), "fchownat": (260, 54)}
OF_A_PROCESS = {  # with the place of the argument that names the process; 0 is the caller itself
    "prlimit64": ((302, 261), 0), "sched_setparam": ((142, 118), 0), "sched_setscheduler": ((144, 119), 0),
    "sched_setaffinity": ((203, 122), 0), "sched_setattr": ((314, 274), 0), "setpriority": ((141, 140), 1),
    "ioprio_set": ((251, 30), 1),
}  # fmt: skip
SET_PRIORITY, PRIO_PROCESS = (141, 140), 0
SIGNALS = {"kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138)}
PIDFD_OPEN = (434, 434)

Instruction = tuple[int, int, int, int]


def is_known() -> bool:
    """Whether there is a filter for this machine."""
    return os.uname().machine in ARCHITECTURES


class Filter:
    """A program that allows whatever it does not refuse."""

    def __init__(self) -> None:
        self.column, architecture = ARCHITECTURES[os.uname().machine]
        self.code: list[Instruction] = [
            (LOAD, 0, 0, 4), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, ERRNO | errno.ENOSYS), (LOAD, 0, 0, 0),
        ]  # fmt: skip
        if self.column == 0:
            self.code += [(GREATER_OR_EQUAL, 0, 1, X32), (RETURN, 0, 0, ERRNO | errno.ENOSYS)]

    def refuse(self, call: tuple[int, int], error: int) -> None:
        self.code += [(EQUAL, 0, 1, call[self.column]), (RETURN, 0, 0, ERRNO | error)]

    def refuse_if(
        self, call: tuple[int, int], argument: int, test: int, *values: int, error: int, unless: bool = False
    ) -> None:
        """If the lower half of an argument, counted from 0, has one of the `values` (`unless`: has none of them)."""
        tests: list[Instruction] = []
        for index, value in enumerate(values):
            tests.append((test, len(values) - index - 1 + unless, 0 if index < len(values) - 1 else 1 - unless, value))
        # Behind the tests: refusal, then on.  A hit jumps to the refusal, or past it where hits are allowed.
        block = [(LOAD, 0, 0, 16 + 8 * argument), *tests, (RETURN, 0, 0, ERRNO | error), (LOAD, 0, 0, 0)]
        self.code += [(EQUAL, 0, len(block), call[self.column]), *block]

    def install(self) -> None:
        """For this process (of one thread) and all it starts."""
        code = b"".join(struct.pack("HBBI", *each) for each in (*self.code, (RETURN, 0, 0, ALLOW)))
        buffer = ctypes.create_string_buffer(code, len(code))
        program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
        check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
        check(libc.prctl(PR_SET_SECCOMP, MODE_FILTER, program, 0, 0), "system-call filter")


def _ground() -> Filter:
    made = Filter()
    for call in PRIVILEGED.values():
        made.refuse(call, errno.EPERM)
    for call in MISSING.values():
        made.refuse(call, errno.ENOSYS)
    made.refuse_if(CLONE, 0, ANY_BIT, NEW_NAMESPACES, error=errno.EPERM)
    made.refuse_if(IOCTL, 1, EQUAL, TIOCSTI, TIOCLINUX, error=errno.EPERM)
    return made


def within_namespaces() -> Filter:
    """For a command that has namespaces of its own."""
    made = _ground()
    made.refuse_if(SOCKET, 0, EQUAL, *FAMILIES, error=errno.EAFNOSUPPORT, unless=True)
    return made


def without_namespaces(*, network: bool, protected: tuple[int, ...] = ()) -> Filter:
    """For a command that is among the user's processes: nothing that reaches another one.

    Args:
        network: sockets are allowed; otherwise there are none but pairs.
        protected: processes that may get no signal, where nothing else keeps signals inside.
    """
    made = _ground()
    if network:
        made.refuse_if(SOCKET, 0, EQUAL, *FAMILIES, error=errno.EAFNOSUPPORT, unless=True)
    else:
        made.refuse(SOCKET, errno.EACCES)
    for call in SYSTEM_V.values():
        made.refuse(call, errno.EACCES)
    made.refuse(WATCH, errno.EACCES)
    for call in CHANGE_OWNER.values():
        made.refuse(call, errno.EPERM)
    for call, argument in OF_A_PROCESS.values():
        made.refuse_if(call, argument, EQUAL, 0, os.getpid(), error=errno.EPERM, unless=True)
    made.refuse_if(SET_PRIORITY, 0, EQUAL, PRIO_PROCESS, error=errno.EPERM, unless=True)
    if protected:
        for call in SIGNALS.values():
            made.refuse_if(call, 0, EQUAL, *protected, 0xFFFFFFFF, error=errno.EPERM)
        made.refuse(PIDFD_OPEN, errno.ENOSYS)
    return made
