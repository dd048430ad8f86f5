"""Which models have a host on this machine that runs now: their memory is taken already, and by themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import psutil

from engine.models import store
from engine.models.catalogue import ModelEntry

_MODULE = "engine.host"  # what `engine.generation.launch` starts
_OPTION = "--model"


def hosted(entries: Sequence[ModelEntry]) -> frozenset[str]:
    """Names of those of `entries` that a host of this user's has loaded, or is loading.

    Told by command lines, some 20 microseconds a process: nothing is asked of a host, which may hang, and it does not
    matter with which context and threads it was started.
    """
    files = {os.path.realpath(store.folder() / entry.file): entry.name for entry in entries}
    return frozenset(files[file] for file in _files() if file in files)


def _files() -> Iterator[str]:
    """What the hosts of this user have loaded."""
    for process in psutil.process_iter():
        try:
            arguments = process.cmdline()
            if _MODULE in arguments[:-1] and _OPTION in arguments[:-1] and _is_own(process):
                yield os.path.realpath(arguments[arguments.index(_OPTION) + 1])
        except psutil.Error:  # it has ended, or is another user's
            continue


def _is_own(process: psutil.Process) -> bool:
    return not hasattr(os, "getuid") or process.uids().real == os.getuid()
