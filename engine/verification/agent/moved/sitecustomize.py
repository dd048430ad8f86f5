"""Imports in a copy of a workspace: whatever would come from the original comes from the copy.

Python runs this file at its start where a cell has put its folder on PYTHONPATH (see `copies.py`).  A path on
PYTHONPATH alone does not reach projects that are installed as editable by a finder of their own, nor paths that tests
put together themselves; these would silently test the original.  Standard library alone, CPython 3.9 and later.
"""

import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from typing import Any, Optional

ORIGINAL, COPY = (os.environ.get(f"GREENFINCH_{name}", "") for name in ("ORIGINAL", "COPY"))


def moved(path: str) -> str:
    """Where a path of the original lies in the copy; any other path as it is."""
    whole = os.path.abspath(path)
    return COPY + whole[len(ORIGINAL) :] if is_inside(whole, ORIGINAL) and not is_environment(whole) else path


def is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def is_environment(path: str) -> bool:
    """Whether it belongs to a virtual environment in the workspace, which is not copied."""
    return sys.prefix != ORIGINAL and is_inside(path, sys.prefix)


def finder_in_copy(path: str) -> Any:
    """A path hook: what looks into a folder of the original looks into the copy's instead."""
    other = moved(path)
    if other == path:
        raise ImportError("not in the workspace")
    for hook in sys.path_hooks:
        if hook is not finder_in_copy:
            try:
                return hook(other)
            except ImportError:
                continue
    raise ImportError("nothing looks there")


class Redirect:
    """A finder before all others: asks them, and takes what they found from the copy, whatever way they had."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            found = find(name, path, target) if find is not None and finder is not cls else None
            if found is not None:
                return cls.from_copy(found)
        return None

    @staticmethod
    def from_copy(found: ModuleSpec) -> Optional[ModuleSpec]:
        places = found.submodule_search_locations
        if not found.has_location or not found.origin:
            if places and any(moved(place) != place for place in places):  # a namespace package
                found.submodule_search_locations = [moved(place) for place in places]
            return found
        origin = moved(found.origin)
        if origin == found.origin:
            return found
        if not os.path.isfile(origin):
            return None  # it is hidden from this command
        folders = None if places is None else [moved(place) for place in places]
        return spec_from_file_location(found.name, origin, submodule_search_locations=folders)


def run_the_next_one(here: str) -> None:
    """The user's own `sitecustomize`, which this file stands before."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    own = sys.modules.pop("sitecustomize")
    try:
        __import__("sitecustomize")
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault("sitecustomize", own)


if ORIGINAL and COPY:
    sys.path[:] = [moved(entry) for entry in sys.path]
    sys.meta_path.insert(0, Redirect)
    sys.path_hooks.insert(0, finder_in_copy)
    sys.path_importer_cache.clear()
run_the_next_one(os.path.dirname(os.path.abspath(__file__)))
