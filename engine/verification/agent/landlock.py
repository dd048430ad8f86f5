"""Landlock (Linux 5.13 and later): a process that gives up the right to most of the file system, for good.

Needs no privileges and no namespaces.  How much it can hold differs by the kernel's version of it (ABI):
https://docs.kernel.org/userspace-api/landlock.html.  What none of them holds: the mere existence, size and mode of
files can be asked for, and the mode, owner and times of the user's own files changed.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct

from .mounts import check, libc

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the numbers are the same on every architecture
PR_SET_NO_NEW_PRIVS = 38
VERSION, PATH_BENEATH = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
TRUNCATE, IOCTL_DEVICE = 1 << 14, 1 << 15
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
READ = EXECUTE | READ_FILE | READ_DIR
TCP = 3  # bind and connect, from ABI 4
SCOPES = 3  # abstract Unix sockets and signals, from ABI 6


def abi() -> int:
    """The version of Landlock in this kernel; 0 if it has none, or does not use it."""
    version: int = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION)
    return max(0, version)


class Rules:
    """What stays allowed; everything else is refused.

    Args:
        network: TCP is not refused, and neither are abstract Unix sockets.
    """

    def __init__(self, *, network: bool) -> None:
        version = abi()
        self._handled = (1 << min(12 + version, 16 if version >= 5 else 15)) - 1
        attributes = [self._handled, 0 if network else TCP, 2 if network else SCOPES]
        size = 8 if version < 4 else 16 if version < 6 else 24
        packed = struct.pack("QQQ", *attributes)[:size]
        self._ruleset = libc.syscall(CREATE_RULESET, packed, ctypes.c_size_t(size), 0)
        check(-1 if self._ruleset < 0 else 0, "Landlock")

    def read(self, path: str) -> None:
        """A file or folder with all in it may be read and executed."""
        self._allow(path, READ)

    def write(self, path: str) -> None:
        """Everything may be done to a file, or in a folder, but making devices."""
        self._allow(path, self._handled & ~(MAKE_CHAR | MAKE_BLOCK))

    def _allow(self, path: str, rights: int) -> None:
        try:
            number = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return  # what is not there need not be allowed
        try:
            if not stat.S_ISDIR(os.fstat(number).st_mode):
                rights &= OF_A_FILE
            rule = struct.pack("=Qi", rights & self._handled, number)
            check(libc.syscall(ADD_RULE, self._ruleset, PATH_BENEATH, rule, 0), f"Landlock rule for {path}")
        finally:
            os.close(number)

    def enforce(self) -> None:
        """From now on, for this process (of one thread) and all it starts."""
        check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
        check(libc.syscall(RESTRICT_SELF, self._ruleset, 0), "Landlock")
        os.close(self._ruleset)
