"""The tests' side of a split run (standard library alone, CPython 3.9+).

The user's module is loaded as it is, but for the target, whose body calls `__greenfinch_remote__`: that asks the
candidate's process.  Plain data crosses (see `plain`); what cannot cross is noted, and the call fails.  At the end the
target is asked again, for what it was asked already and for inputs that are a little different (see `examine`).
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import warnings
from typing import Any, Callable, Optional

MOST_NOTES = 20
MOST_RECORDED = 64
LONGEST_RECORDED = 20_000  # characters
# Modules of the standard library whose exceptions functions are expected to raise.
STANDARD = frozenset({
    "json.decoder", "decimal", "re", "re._constants", "sre_constants", "zlib", "binascii", "queue", "struct",
    "subprocess", "configparser", "csv", "_csv", "dataclasses", "shutil", "socket", "ipaddress", "statistics", "uuid",
    "concurrent.futures._base", "asyncio.exceptions", "tomllib", "tomli._parser", "graphlib", "calendar", "ast",
    "string", "xml.etree.ElementTree", "zoneinfo._common",
})  # fmt: skip
NOT_OURS = re.compile(r"(?:^|[\\/])(?:site-packages[\\/]|tests?[\\/]|testing[\\/]|test_|conftest\.py$)|_test\.py$")
PRINTED = 1 << 20  # characters


class Remote:
    """What the target's body calls.

    Args:
        plain, peer: the modules of these names, however they were loaded.
        request: of the agent; `split` holds the descriptor, the target's file, and whether each call is made twice.
    """

    def __init__(self, plain: Any, peer: Any, request: dict[str, Any]) -> None:
        split = request["split"]
        self._plain = plain
        self._root = request["root"]
        self._file = os.path.realpath(os.path.join(self._root, split["file"]))
        self._not_ours = {os.path.realpath(name) for name in request["files"]}
        self._module: Any = None
        self.peer = peer.Peer(
            plain, "tests", split["descriptor"], {}, find_class=self._find_class, find_exception=self._find_exception,
            sentinel=self._sentinel, find_sentinel=self._find_sentinel, heard=self._hear,
        )  # fmt: skip
        self.has_handles = peer.has_handles
        self._twice = bool(split.get("twice"))
        self.calls = 0
        self.with_arguments = 0
        self.not_plain: dict[str, None] = {}
        self.recorded: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._record_asked = bool(split.get("record"))
        self._loading: Optional[dict[str, Any]] = None

    def __call__(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.calls += 1
        try:
            if self._module is None:
                self._load(sys._getframe(1).f_globals["__name__"])
            self.with_arguments += len(args) + len(kwargs) > ("." in name)  # more than what a method belongs to
            value = self.peer.request("call", name, args, kwargs, rehearse=self._twice)
        except self._plain.NotPlain as error:
            if len(self.not_plain) < MOST_NOTES:
                self.not_plain[str(error)] = None
            raise RuntimeError(f"this cannot cross to another process: {error}") from None
        except self._plain.Gone as error:
            raise RuntimeError(f"the implementation's process: {error}") from None
        finally:
            self._record()
        return value

    def _load(self, module: str) -> None:
        self._module = sys.modules[module]
        own = (self._root, os.path.relpath(self._file, self._root), list(sys.path))
        if not self.peer.request("call", "__load__", (module, *own)):
            raise self._plain.NotPlain(f"the module {module}, which is another file there")
        self._loading = self.peer.last[0]

    def _record(self) -> None:
        message, answer = self.peer.last
        self.peer.last = ({}, {})
        text = repr(message)
        if (
            message.get("target") == "__load__"
            or not answer
            or len(self.recorded) >= MOST_RECORDED
            or len(text) > 20_000
        ):
            return
        if not self.has_handles(message):
            self.recorded.setdefault(text, (message, answer))

    def told(self, load: Callable[[str], Any]) -> dict[str, Any]:
        """What the verifier is told at the end."""
        examined = self.recorded and not self.not_plain and not self._record_asked
        found = load("examine.py").examine(self) if examined else {}
        if self._record_asked:
            found = {"loading": self._loading, "recorded": [message for message, _ in self.recorded.values()]}
        return {"calls": self.calls, "with_arguments": self.with_arguments, "not_plain": list(self.not_plain), **found}

    # -- what names mean here: the user's own modules, as they are loaded already, but not the tests'

    def _find_class(self, module: str, name: str) -> Optional[type]:
        found: Any = sys.modules.get(module)
        file = os.path.realpath(getattr(found, "__file__", None) or "")
        inside = file[len(self._root) + 1 :] if file.startswith(self._root + os.sep) else ""
        if file != self._file and (not inside or file in self._not_ours or NOT_OURS.search(inside)):
            return None
        return _attribute(found, name)

    def _find_exception(self, module: str, name: str) -> Optional[type]:
        if module == "builtins":
            import builtins

            found = getattr(builtins, name, None)
            is_usual = isinstance(found, type) and issubclass(found, Exception)
            return found if is_usual or found is SystemExit else None
        found = (
            _attribute(importlib.import_module(module), name) if module in STANDARD else self._find_class(module, name)
        )
        return found if found is not None and issubclass(found, Exception) else None

    def _sentinel(self, value: Any) -> Optional[tuple[str, str]]:
        names = [name for name, other in vars(self._module).items() if other is value]
        return (self._module.__name__, names[0]) if names and self._plain.may_be_sentinel(value) else None

    def _find_sentinel(self, module: str, name: str) -> Any:
        found = vars(self._module)[name] if module == self._module.__name__ and type(name) is str else None
        if found is None or not self._plain.may_be_sentinel(found):
            raise ValueError(f"{module}.{name}")
        return found

    def _hear(self, heard: Any) -> None:
        """Print and warn here as the candidate did there."""
        if not heard:
            return
        try:
            out, err, warned = heard
            told = [(str(name), str(message)) for name, message in warned]
        except (TypeError, ValueError) as error:
            raise self._plain.Gone(f"what it printed cannot be told: {error}") from None
        sys.stdout.write(str(out)[:PRINTED])
        sys.stderr.write(str(err)[:PRINTED])
        for name, message in told:
            category = self._find_exception("builtins", name)
            if category is not None and issubclass(category, Warning):
                warnings.warn(message, category, stacklevel=4)


def _attribute(found: Any, name: str) -> Optional[type]:
    """A class of a module, or one inside it; never through what else is there, such as another module."""
    for part in name.split("."):
        found = getattr(found, part, None)
        if not isinstance(found, type):
            return None
    return found  # type: ignore[no-any-return]  # a type, if the name is not empty, and `split` gives no empty list


def prepare(load: Callable[[str], Any], request: dict[str, Any]) -> Remote:
    """Make the proxies' way out; `load` loads an agent's file by name."""
    import builtins

    remote = Remote(load("plain.py"), load("peer.py"), request)
    builtins.__greenfinch_remote__ = remote  # type: ignore[attr-defined]
    return remote
