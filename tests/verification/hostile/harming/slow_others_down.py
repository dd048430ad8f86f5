"""Lowers priority, processors and limits of another process."""

import os
import resource


def f(world):
    for action in (
        lambda: os.setpriority(os.PRIO_PROCESS, world.victim, 19),
        lambda: os.sched_setaffinity(world.victim, {sorted(os.sched_getaffinity(0))[0]}),
        lambda: resource.prlimit(world.victim, resource.RLIMIT_NOFILE, (64, 64)),
    ):
        try:
            action()
            print("HARM changed another process")
        except OSError:
            continue
