"""The candidate's side of a split run (standard library alone, CPython 3.9+).

Run as `python worker.py DESCRIPTOR`; stdin holds one line, {"root": the workspace, relative to the working folder}.
Knows no test and no test framework; the tests' process tells it over the descriptor which module to load, and calls
the functions that are marked there (`__greenfinch_export__`).  Nothing that happens here is a verdict.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import importlib.util
import inspect
import io
import json
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any, Callable, Optional


def main() -> None:
    peer, plain = load("peer"), load("plain")
    exports: dict[str, Callable[..., Any]] = {}
    loaded: dict[str, Any] = {}

    def export(name: str) -> Callable[..., Any]:
        def mark(function: Callable[..., Any]) -> Callable[..., Any]:
            exports[name] = runner(function)
            return function

        return mark

    builtins.__greenfinch_export__ = export  # type: ignore[attr-defined]

    root = os.path.abspath(json.loads(sys.stdin.buffer.readline())["root"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)

    def open_module(module: str, their_root: str, file: str, path: list[str]) -> bool:
        """Import the module from where the tests do; their workspace may stand elsewhere than ours."""
        sys.path[:] = [root + entry[len(their_root) :] if (entry + os.sep).startswith(their_root + os.sep) else entry
                       for entry in path]  # fmt: skip
        found = importlib.import_module(module)
        loaded["module"] = found
        return os.path.realpath(getattr(found, "__file__", "")) == os.path.realpath(os.path.join(root, file))

    exports["__load__"] = open_module

    def find_class(module: str, name: str) -> Optional[type]:
        try:
            found: Any = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError, ValueError):
            return None
        return found if isinstance(found, type) else None

    def sentinel(value: Any) -> Optional[tuple[str, str]]:
        module = loaded.get("module")
        names = [name for name, other in getattr(module, "__dict__", {}).items() if other is value]
        return (str(getattr(module, "__name__", "")), names[0]) if names else None

    def find_sentinel(module: str, name: str) -> Any:
        return getattr(importlib.import_module(module), name)

    own = peer.Peer(
        plain, "candidate", int(sys.argv[1]), exports, find_class=find_class, find_exception=find_class,
        sentinel=sentinel, find_sentinel=find_sentinel, around=heard,
    )  # fmt: skip
    try:
        while True:
            own.pipe.send(own.serve(own.pipe.receive()))
    except plain.Gone:
        os._exit(0)


def load(name: str) -> Any:
    """Another file of the agent, without a trace in `sys.modules`: the candidate's project may have such a name."""
    place = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec: Any = importlib.util.spec_from_file_location(f"greenfinch_{name}", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def runner(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, or one that runs a coroutine function to its end."""
    if not inspect.iscoroutinefunction(function):
        return function
    return lambda *args, **kwargs: asyncio.run(function(*args, **kwargs))


@contextlib.contextmanager
def heard() -> Iterator[list[Any]]:
    """What a call prints and warns of, for the tests that look at it."""
    told: list[Any] = []
    out, err = io.StringIO(), io.StringIO()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                yield told
            finally:
                told += [
                    out.getvalue(),
                    err.getvalue(),
                    [[each.category.__name__, str(each.message)] for each in warned],
                ]


if __name__ == "__main__":
    main()
