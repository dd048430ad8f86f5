"""The tests' side of a split run (standard library alone, CPython 3.9+).

The user's module is loaded as it is, but for the target, whose body calls `__greenfinch_remote__`: that asks the
candidate's process.  Plain data crosses (see `plain`); what cannot cross is noted, and the call fails.  What crosses,
but is less there than it was here, is noted too: an honest implementation may fail for that.  At the end the target is
asked again, for what it was asked already and for inputs that are a little different (see `examine`).
"""

from __future__ import annotations

import dis
import enum
import functools
import importlib
import itertools
import os
import re
import sys
import tempfile
import types
import warnings
from collections.abc import Iterator
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
MOST_HANDED = 100
MOST_LOSSES = 10  # of one test
LONGEST_PATH = 1000
MOST_TEXTS, MOST_LOOKED = 1000, 100_000  # that may be paths, of one request and of all
MOST_HEARD = 4 << 20  # characters
PRIVATE = ("/tmp", "/var/tmp", "/dev/shm")  # each process has its own, and a home
MOST_SHARED = 500
FIXED = (
    type, types.ModuleType, types.BuiltinFunctionType, functools._lru_cache_wrapper, functools.partial, enum.Enum,
    str, bytes, int, float, tuple, frozenset, type(None), re.Pattern,
)  # fmt: skip
ANNOTATING = ("typing", "typing_extensions", "__future__")
# Files that may hold tests, or what is left of them; the others may be data.
NO_DATA = re.compile(r"(?:^|[\\/])(?:__pycache__|conftest|test_|\.)|\.(?:py|pyc|pyo|pyi|pyw|ipynb)$|_test\.")


class Remote:
    """What the target's body calls.

    Args:
        plain, peer: the modules of these names, however they were loaded.
        request: of the agent; `split` holds the descriptor, the target's file, whether each call is made twice, what is
            `hidden` from the candidate (relative to the root), and whether its workspace stands elsewhere (`moved`).

    Attributes:
        handed: files among the hidden ones whose paths the tests hand to the target, relative to the root.
        test: what runs now. losses: by test, what crossed but was less on one side than on the other.
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
            sending=self._look_for_paths, received=self._keep_texts, lost=self._lose,
        )  # fmt: skip
        self.has_handles = peer.has_handles
        self._twice = bool(split.get("twice"))
        self._hidden = [os.path.join(self._root, name) for name in split.get("hidden", ())]
        self._moved = bool(split.get("moved"))
        self._texts: list[str] = []
        self._heard = 0
        self._no_paths: set[str] = set()
        self.handed: dict[str, None] = {}
        places = (*PRIVATE, tempfile.gettempdir(), os.path.expanduser("~"))
        self._private = {each for place in places for each in (place, os.path.realpath(place))}
        self._environment = dict(os.environ)
        self._set: dict[str, None] = {}
        self.test = ""
        self.losses: dict[str, dict[str, None]] = {}
        self.calls = 0
        self.with_arguments = 0
        self.not_plain: dict[str, None] = {}
        self.recorded: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._record_asked = bool(split.get("record"))
        self._loading: Optional[dict[str, Any]] = None

    def __call__(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.calls += 1
        self._look_at_environment()
        try:
            if self._module is None:
                self._load(sys._getframe(1).f_globals["__name__"])
            self.with_arguments += len(args) + len(kwargs) > ("." in name)  # more than what a method belongs to
            value = self.peer.request("call", name, args, kwargs, rehearse=self._twice)
        except self._plain.NotPlain as error:
            self._note(error)
            raise RuntimeError(f"this cannot cross to another process: {error}") from None
        except self._plain.Gone as error:
            raise RuntimeError(f"the implementation's process: {error}") from None
        finally:
            self._record()
        return value

    def begin(self, name: str) -> None:
        """A test, or the loading of a file, begins.  The module is loaded there as soon as it is here, so that no call
        has to wait for that: tests may measure how long theirs take.
        """
        self.test = name
        if self._module is not None:
            return
        files = [(name, getattr(module, "__file__", None)) for name, module in list(sys.modules.items())]
        names = [name for name, file in files if isinstance(file, str) and os.path.realpath(file) == self._file]
        if len(names) != 1:  # it is loaded later, or a call says which of them is meant
            return
        try:
            self._load(names[0])
        except (self._plain.NotPlain, self._plain.Gone) as error:
            self._note(error)

    def _note(self, error: Exception) -> None:
        if len(self.not_plain) < MOST_NOTES:
            self.not_plain[str(error)] = None

    def _load(self, module: str) -> None:
        self._module = sys.modules[module]
        own = (self._root, os.path.relpath(self._file, self._root), list(sys.path))
        try:
            is_same = self.peer.request("call", "__load__", (module, *own))
        except (self._plain.NotPlain, self._plain.Gone):
            raise
        except (Exception, SystemExit) as error:  # it needs what lies among the tests, or what they have set up
            raise self._plain.NotPlain(f"the module {module}, which does not load there: {error!r}") from None
        if not is_same:
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
        losses = {test: list(what) for test, what in self.losses.items()}  # as they are before more is asked
        shared = [*self._shared(), *self._set]
        examined = self.recorded and not self.not_plain and not self._record_asked
        found = load("examine.py").examine(self) if examined else {}
        if self._record_asked:
            found = {"loading": self._loading, "recorded": [message for message, _ in self.recorded.values()]}
        return {"calls": self.calls, "with_arguments": self.with_arguments, "not_plain": list(self.not_plain),
                "losses": losses, "handed": list(self.handed), "shared": shared, **found}  # fmt: skip

    def _lose(self, what: str) -> None:
        own = self.losses.setdefault(self.test, {})
        if len(own) < MOST_LOSSES:
            own[what[:200]] = None

    # -- what this process keeps, so that the candidate's has another

    def _look_at_environment(self) -> None:
        for name, value in os.environ.items():
            if self._environment.get(name) != value and not name.startswith("PYTEST"):
                self._set[name] = None

    def _shared(self) -> list[str]:
        """Names by which the target's module reaches what may change: objects, also in other modules of the user's, and
        functions of those that use such.
        """
        found: list[str] = []
        kept: dict[Any, bool] = {}
        for name, value in (vars(self._module) if self._module else {}).items():
            if isinstance(value, types.ModuleType) and self._is_of_user(value):
                names = [inner for inner, each in vars(value).items() if self._keeps(inner, each, kept)]
                found += [f"{name}.{inner}" for inner in names]
            elif self._keeps(name, value, kept):
                found.append(name)
        return found[:MOST_SHARED]

    def _keeps(self, name: str, value: Any, kept: dict[Any, bool]) -> bool:
        """Whether a global is such an object or function; `kept`: what is known of functions already."""
        if isinstance(value, types.FunctionType):
            used = value.__globals__
            own = sys.modules.get(used.get("__name__", ""))
            if value not in kept:
                kept[value] = False  # as long as it is not known: functions may call each other
                kept[value] = own is not self._module and self._is_of_user(own) and (
                    any(step.opname == "STORE_GLOBAL" for step in dis.get_instructions(value))
                    or any(self._keeps(each, used[each], kept) for each in value.__code__.co_names if each in used)
                )  # fmt: skip
            return kept[value]
        kind = type(value)
        is_fixed = issubclass(kind, (*FIXED, *self._plain.IMMUTABLE)) or kind.__module__ in ANNOTATING
        return not (name.startswith("__") or is_fixed)

    def _is_of_user(self, module: Any) -> bool:
        file = os.path.realpath(getattr(module, "__file__", None) or "")
        return is_inside(file, self._root) and not NOT_OURS.search(file[len(self._root) + 1 :])

    # -- paths: what the tests hand over may be hidden from the candidate, stand elsewhere, or be theirs alone

    def _keep_texts(self, message: dict[str, Any]) -> None:
        """What the candidate has said: a path of its own choice is not handed to it by the tests."""
        for text in texts_in(message):
            self._heard += len(text)
            if self._heard <= MOST_HEARD:
                self._texts.append(text)

    def _look_for_paths(self, message: dict[str, Any]) -> None:
        try:
            here = os.getcwd()
        except OSError:
            return
        if message["target"] == "__load__":
            return
        texts = texts_in([message["args"], message["kwargs"], message["objects"]])
        for text in itertools.islice(texts, MOST_TEXTS):
            if len(self._no_paths) > MOST_LOOKED or text in self._no_paths:
                continue
            path = os.path.normpath(os.path.join(here, text)) if 0 < len(text) < LONGEST_PATH else ""
            is_own = is_inside(path, self._root)
            is_private = not is_own and any(path.startswith(place + os.sep) for place in self._private)
            if "\0" in text or not (is_own or is_private) or not os.path.lexists(path):
                self._no_paths.add(text)
            elif is_own:
                self._hand(path, os.path.isabs(text))
            else:
                self._lose(f"the path {path}, which is the tests' own")

    def _hand(self, path: str, is_absolute: bool) -> None:
        name = os.path.relpath(path, self._root)
        if is_absolute and self._moved:
            self._lose(f"the path {name}, which is another there")
        elif any(is_inside(path, hidden) for hidden in self._hidden):
            new = name not in self.handed and len(self.handed) < MOST_HANDED
            base = os.path.basename(path)
            is_own = self._heard <= MOST_HEARD and not any(base in text for text in self._texts)
            if new and is_own and os.path.isfile(path) and not NO_DATA.search(name) and os.path.realpath(path) == path:
                self.handed[name] = None
            self._lose(f"the path {name}, which is hidden there")
        elif is_absolute and any(is_inside(hidden, path) for hidden in self._hidden):
            self._lose(f"the folder {name}, of which a part is hidden there")

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


def texts_in(told: Any) -> Iterator[str]:
    """The texts in a message, in its order."""
    waiting = [told]
    while waiting:
        each = waiting.pop()
        if type(each) is str:
            yield each
        elif type(each) is list:
            waiting += reversed(each)
        elif type(each) is dict:
            waiting += reversed([part for pair in each.items() for part in pair])


def is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


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
