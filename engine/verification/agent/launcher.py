"""Start one command in Linux namespaces of its own: the workspace at its original path, nothing to be harmed.

Run by `namespaces.py` as `main(CONTROL)`; the first line of stdin is the order (JSON), and its end of file means:
stop.  Needs no privileges, and no other program: it does with a few system calls what bubblewrap does.  Two processes
stay: the outer one waits, the inner one is the first process of a PID namespace, so that its end takes every
descendant with it.  What became of the command is told as JSON lines on the descriptor CONTROL, which the command
never sees.

What the command sees of the file system is built by `view`; the other steps are in `confine`, and `watch` bounds it.
"""

from __future__ import annotations

import os
import select
import signal
import sys

from .confine import drop_privileges, enter_namespaces, last_step, loopback_up, undumpable
from .mounts import Descriptors, check, libc
from .view import build_base, build_own, build_places
from .watch import Tree, close_all, read_order, start_command, tell, threads_of_user, watch

TYPE_CHECKING = False  # as `typing` has it, which takes a tenth of the whole start to import
if TYPE_CHECKING:
    from typing import Any, Callable, NoReturn

    Start = Callable[[dict[str, Any], Callable[[dict[str, Any]], None]], int]

PR_SET_PDEATHSIG = 1
COUNTED_BY_NAMESPACE = (5, 14)  # before, the kernel counts all the user's processes together


class Namespace(Tree):
    """The tree of a command that has a PID namespace: all there is but the first process, which calls this."""

    def pids(self) -> list[int]:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]

    def end(self) -> None:
        try:
            os.kill(-1, signal.SIGKILL)
            while True:
                os.waitpid(-1, 0)
        except (ProcessLookupError, ChildProcessError):
            return

    def segments(self) -> int:
        """Of System V; in its namespace there are none but the command's own."""
        try:
            with open("/proc/sysvipc/shm", encoding="ascii") as table:
                names, *rows = (line.split() for line in table)
        except OSError:
            return 0  # this kernel has none
        columns = [names.index(name) for name in ("rss", "swap")]
        return sum(int(row[column]) for row in rows for column in columns)


def inner(order: dict[str, Any], control: int, started: int) -> NoReturn:
    """The first process of the namespace: build the view, start the command, watch it, end everything with it."""
    end_with_parent(started)
    try:
        build_base(order)
        if order.get("nesting"):  # a server, which needs no workspace to write to: each of its commands will have one
            with Descriptors() as held:
                build_places(order, held)
        else:
            build_own(order)
    except OSError as error:
        tell(control, error=str(error))
        os._exit(1)
    serve(order, control, start_command)


def end_with_parent(started: int) -> None:
    """`started`: a pipe in which the parent writes one byte, so that its death cannot be missed."""
    check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "parent's death")
    if not os.read(started, 1):
        os._exit(1)  # it died before the line above took hold
    os.close(started)


def serve(order: dict[str, Any], control: int, start: Start) -> NoReturn:
    """As the first process of a namespace whose view is built: give up what privileges there are, run one command.

    Args:
        start: forks the command off and returns its number; in the child, it calls what it is given, then runs it.
    """
    try:
        if not order["network"]:
            loopback_up()
        drop_privileges(nesting=bool(order.get("nesting")))
        undumpable()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        command = start(order, last_step)
        close_all(order["inherited"])
    except OSError as error:
        tell(control, error=str(error))
        os._exit(1)
    watch(command, order, control, Namespace())
    os._exit(0)


def main(control: int) -> None:
    os.set_inheritable(control, False)
    order = read_order()
    if tuple(map(int, os.uname().release.split(".")[:2])) < COUNTED_BY_NAMESPACE:
        order["limits"]["processes"] += threads_of_user()
    try:
        enter_namespaces(network=order["network"])
    except OSError as error:
        tell(control, error=str(error))
        sys.exit(1)
    ready, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go)
        inner(order, control, ready)
    os.close(ready)
    close_all(order["inherited"])
    os.write(go, b"!")
    ended = os.pidfd_open(pid)
    select.select([0, ended], [], [], order["seconds"] + 1.0)  # the inner one keeps the limit; this is for its failure
    os.kill(pid, signal.SIGKILL)  # not yet waited for, so the number is still its own
    os.waitpid(pid, 0)
