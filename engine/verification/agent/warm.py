"""A server in the user's interpreter that forks for each run of the tests: what takes long to load is loaded once.

Started by `engine/verification/warm.py` in a cell of its own, as `main()`.  It imports the test framework, its plug-ins
and other installed modules, never anything of the project; it keeps nothing of one run for the next.  For each run it
forks off a *spare* ahead of time, which makes namespaces of its own inside the server's, lays its privileges down and
goes as far as it can without the text under test (see `ahead`).  Only then does it get to know what it is for, on a
socket that the server does not hold.

The processes of a spare: one that makes the namespaces and ends; `first`, number 1 in them, which mounts the workspace
and watches, as the launcher does for a cold run; and the one that runs the tests.

Messages to Greenfinch on the control socket (JSON, one a packet): {"ready": PLACE} or {"unfit": REASON}; then
{"spare": true} with three descriptors for each byte that is received: the spare's socket, what its run tells, what it
prints.  On a spare's socket, lines of JSON: the request goes in; "place" (the tests' process waits) and what `watch`
tells come out.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from typing import Any, NoReturn

from . import ahead, preload, runner
from .confine import drop_privileges, enter_namespaces, last_step, loopback_up, undumpable
from .launcher import Namespace
from .mounts import Descriptors, check, libc
from .view import build_places, build_workspace
from .watch import read_order, tell, watch

PR_SET_DUMPABLE = 4


class Asker(Namespace):
    """The tree of a run, which ends when whoever asked for it has closed the socket."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked

    def is_unwanted(self) -> bool:
        try:
            return not self._asked.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True


class Ends:
    """The two ends of what connects a spare to Greenfinch: a socket, a pipe for results, a pipe for what is printed."""

    def __init__(self) -> None:
        self.asking, self.asked = socket.socketpair()
        self.tells, self.telling = os.pipe()
        self.prints, self.printing = os.pipe()

    def keep_outer(self) -> None:
        self.asked.close()
        os.close(self.telling)
        os.close(self.printing)

    def close_outer(self) -> None:
        self.asking.close()
        os.close(self.tells)
        os.close(self.prints)


class Server:
    """What all spares have in common.

    Args:
        order: of every run's cell, without the texts of one. request: of the tests, without what one run is for.
    """

    def __init__(self, control: socket.socket, order: dict[str, Any], request: dict[str, Any]) -> None:
        self._control = control
        self._order = order
        self._request = request

    def serve(self, place: str) -> None:
        """Make one spare for each byte that is received, until the other side is gone."""
        self._control.send(json.dumps({"ready": place}).encode())
        while self._control.recv(1):
            ends = self.spare(ahead.Waiting(place))
            socket.send_fds(self._control, [b'{"spare": true}'], [ends.asking.fileno(), ends.tells, ends.prints])
            ends.close_outer()

    def rehearse(self, fixed: list[str]) -> str:
        """The last place that a run reaches without having touched anything of the project but the files `fixed`."""
        ends = self.spare(ahead.Rehearsal(self._order["root"], fixed))
        found = "main"
        with ends.asking.makefile("rb") as lines:
            for line in lines:
                told = json.loads(line)
                found = told.get("place", found)
                if "place" in told or "error" in told:
                    break
        ends.close_outer()
        return str(found)

    def spare(self, waiting: ahead.Waiting) -> Ends:
        """Fork off a process that will run the tests once."""
        ends = Ends()
        pid = os.fork()
        if pid == 0:
            try:
                self._control.close()
                ends.close_outer()
                enter_namespaces(network=self._order["network"])
                if os.fork() == 0:
                    first(self._order, self._request, waiting, ends)
            except OSError as error:
                tell(ends.asked.fileno(), error=str(error))
            os._exit(0)
        ends.keep_outer()
        os.waitpid(pid, 0)
        return ends


def first(order: dict[str, Any], request: dict[str, Any], waiting: ahead.Waiting, ends: Ends) -> NoReturn:
    """The first process of the namespace: prepare, learn what the run is for, complete its view, and watch it."""
    try:
        with Descriptors() as held:
            place = build_places(order, held, new_proc=True)
            if not order["network"]:
                loopback_up()
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
            ours, theirs = socket.socketpair()
            command = os.fork()
            if command == 0:
                ours.close()
                held.close()
                run(order, request, waiting, ends, theirs)
            undumpable()
            theirs.close()
            os.close(ends.telling)
            os.close(ends.printing)
            wanted = until_wanted(ends.asked, ours)
            order = {**order, **wanted["order"]}
            build_workspace(order, place)
        drop_privileges()
        ours.sendall(json.dumps(wanted["request"]).encode() + b"\n")
        ours.close()
    except OSError as error:
        tell(ends.asked.fileno(), error=str(error))
        os._exit(1)
    watch(command, order, ends.asked.fileno(), Asker(ends.asked))
    os._exit(0)


def until_wanted(asked: socket.socket, command: socket.socket) -> dict[str, Any]:
    """Wait until the run is asked for and the tests' process waits for it; what was asked."""
    received, waits = bytearray(), bytearray()
    while not (received.endswith(b"\n") and waits.endswith(b"\n")):
        for each in select.select([asked, command], [], [])[0]:
            piece = each.recv(1 << 20)
            if each is asked:
                if not piece:
                    os._exit(0)  # nobody will ask
                received += piece
            else:
                if not piece:
                    raise OSError("the tests' process ended before it was asked anything")
                waits += piece
                asked.sendall(piece)
    wanted: dict[str, Any] = json.loads(received)
    return wanted


def run(
    order: dict[str, Any], request: dict[str, Any], waiting: ahead.Waiting, ends: Ends, parent: socket.socket
) -> NoReturn:
    """The process that runs the tests: what is left of the server in it is what was loaded."""
    try:
        ends.asked.close()
        os.setsid()
        os.chdir(order["cwd"])
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (ends.printing, 1), (ends.printing, 2)):
            os.dup2(source, target)
        os.close(nothing)
        os.close(ends.printing)
        drop_privileges()
        last_step(order)
        check(libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable")
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
    except OSError as error:
        os.write(2, f"{error}\n".encode())
        os._exit(127)
    preload.as_if_just_started()
    request = {**request, "tests": [], "stop_at_first_failure": False}  # until it is told
    channel = runner.Channel("", ends.telling)
    waiting.begin(parent, request, channel, order["cwd"])
    runner.run(request, channel, waiting.arrive)


def main() -> None:
    sys.path[:] = [entry for entry in sys.path if entry]  # the empty one stands for `-c`
    told = read_order()
    control = socket.socket(fileno=told["descriptor"])
    control.set_inheritable(False)
    for name in ("frameworks.py", "timer.py", "decoys.py"):
        runner.load(name)
    preload.load_modules(told["request"]["framework"], told["modules"])
    unfit = preload.why_unfit(told["order"]["root"])
    if unfit:
        control.send(json.dumps({"unfit": unfit}).encode())
        return
    ahead.keep_compiled(told["compiled"])
    gc.collect()
    gc.freeze()
    server = Server(control, told["order"], told["request"])
    server.serve(server.rehearse(told["fixed"]) if told["ahead"] else "main")
