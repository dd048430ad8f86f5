"""Bound a command and count what it used: `python -I -S limits.py BOUNDS USAGE_FILE COMMAND...` (POSIX).

A process of its own, because limits set between fork and exec by a server that has threads may deadlock.
"""

from __future__ import annotations

import json
import os
import resource
import sys


def main() -> None:
    bounds = json.loads(sys.argv[1])
    os.nice(bounds["nice"])
    kinds = {"memory": resource.RLIMIT_AS, "file": resource.RLIMIT_FSIZE, "cpu": resource.RLIMIT_CPU}
    for name, kind in kinds.items():
        hard = resource.getrlimit(kind)[1]
        value = bounds[name] if hard == resource.RLIM_INFINITY else min(bounds[name], hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError):
            continue  # macOS knows the address space's limit, and refuses it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    command = os.fork()
    if command == 0:
        os.execv(sys.argv[3], sys.argv[3:])
    for number in bounds["inherited"]:
        os.close(number)  # whoever holds the other end sees when the command has ended
    _, status, used = os.wait4(command, 0)
    with open(sys.argv[2], "w", encoding="ascii") as file:
        file.write(repr(used.ru_utime + used.ru_stime))
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
