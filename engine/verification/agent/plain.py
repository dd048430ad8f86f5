"""Plain data across a socket, for two processes that do not trust each other (standard library alone, CPython 3.9+).

Used on both sides of a split run: the tests' process calls a function that lives in the candidate's.  Nothing is
unpickled.  A value is rebuilt from JSON as an object of exactly one of the types named here, or of a class that the
receiver itself chooses to know (`Codec.find_class`); a subclass of `str` that equals everything cannot cross.

Mutable objects travel as a graph: each has a number, so that aliases, cycles and changes made in place survive the
journey, and an object that comes back is the one that went.  Callables and iterators stay where they are; what
crosses is a handle that calls back.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import itertools
import json
import pathlib
import socket
import struct
import types
import uuid
from typing import Any, Callable, Optional

LARGEST = 64 << 20  # bytes of one message
SAFE_INTEGER = 1 << 53

EMPTY: tuple[Any, ...] = ([], (), {}, set(), "", b"", range(0), {}.values(), {}.items())
ITERATORS: tuple[type, ...] = (
    types.GeneratorType, map, filter, zip, enumerate, reversed,
    *(type(iter(each)) for each in EMPTY),
    itertools.count, itertools.chain, itertools.cycle, itertools.islice, itertools.repeat, itertools.takewhile,
)  # fmt: skip
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodDescriptorType,
             types.MethodWrapperType, types.WrapperDescriptorType)  # fmt: skip
# What would let the candidate do more than the test that hands it over: run texts, reach into objects or pytest.
POWERS = frozenset((
    "eval", "exec", "compile", "__import__", "open", "getattr", "setattr", "delattr", "vars", "globals", "locals",
    "input", "breakpoint", "__getattribute__", "__getattr__", "__setattr__", "__delattr__", "__init__", "__new__",
    "__call__", "__get__", "__set__", "__reduce__", "__reduce_ex__", "__setstate__", "__init_subclass__", "__dir__",
))  # fmt: skip
POWERFUL = frozenset((
    "pytest", "_pytest", "pluggy", "unittest", "doctest", "os", "posix", "nt", "sys", "importlib",
    "_frozen_importlib", "_frozen_importlib_external", "subprocess", "inspect", "gc", "ctypes", "_ctypes", "runpy",
    "code", "codeop", "pickle", "_pickle", "marshal", "shutil", "socket", "_socket", "signal", "_signal",
    "threading", "_thread", "io", "_io", "types",
))  # fmt: skip
FACTORIES = {name: kind for name, kind in vars(__import__("builtins")).items() if isinstance(kind, type)}
PATHS = {kind.__name__: kind for kind in (pathlib.PurePosixPath, pathlib.PureWindowsPath, type(pathlib.Path()))}


def is_powerful(function: Any) -> bool:
    """Whether a function, called with arguments of the candidate's choice, can change what the tests' process does."""
    owner = getattr(function, "__self__", None)
    modules = [getattr(function, "__module__", None)]
    if isinstance(getattr(function, "__func__", function), types.FunctionType):
        named = False  # written in Python: what its module is counts, and a user's own may be called `compile`
    else:
        named = getattr(function, "__name__", "") in POWERS
        if isinstance(owner, types.ModuleType):
            modules.append(owner.__name__)
        elif owner is not None:
            modules += [kind.__module__ for kind in (owner if isinstance(owner, type) else type(owner)).__mro__]
    return named or any(str(module).partition(".")[0] in POWERFUL for module in modules if module)


def may_be_sentinel(value: Any) -> bool:
    """Whether a module's global can be an answer that stands for itself (`MISSING = object()`): it does nothing."""
    return not isinstance(value, (type, types.ModuleType, *FUNCTIONS, *ITERATORS))


class NotPlain(Exception):
    """A value that cannot cross; the text says why."""


class Gone(Exception):
    """The other process has ended, or broke the protocol so that nothing it says can be understood any more."""


class Pipe:
    """Messages over a stream socket: four bytes of length, then JSON."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.settimeout(None)

    def send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message, separators=(",", ":")).encode("ascii")
        if len(data) > LARGEST:
            raise NotPlain(f"{len(data)} bytes are too many to cross")
        try:
            self._socket.sendall(struct.pack(">I", len(data)) + data)
        except OSError as error:
            raise Gone(str(error)) from None

    def receive(self, seconds: Optional[float] = None) -> dict[str, Any]:
        """The next message; `seconds` bounds the wait for each piece of it."""
        self._socket.settimeout(seconds)
        (length,) = struct.unpack(">I", self._exactly(4))
        if length > LARGEST:
            raise Gone("a message is too long")
        try:
            message = json.loads(self._exactly(length))
        except (ValueError, RecursionError):
            raise Gone("a message is not JSON") from None
        if type(message) is not dict:
            raise Gone("a message is not an object")
        return message

    def close(self) -> None:
        self._socket.close()

    def _exactly(self, count: int) -> bytes:
        pieces = bytearray()
        while len(pieces) < count:
            try:
                piece = self._socket.recv(min(count - len(pieces), 1 << 20))
            except OSError as error:
                raise Gone(str(error)) from None
            if not piece:
                raise Gone("it has ended")
            pieces += piece
        return bytes(pieces)


class Codec:
    """Turns values into JSON and back, for one side (`me`: "tests" or "candidate").

    Args:
        find_class: the class that a module's name and a qualified name mean to this side, or None: unknown here.
        remote: makes the stand-in of a callable or iterator of the other side, from its kind, number and name.
        sentinel: (module, name) of a global that an otherwise unknown object is, or None; `find_sentinel` the inverse.
    """

    def __init__(
        self, me: str, find_class: Callable[[str, str], Optional[type]], remote: Callable[[str, int, str], Any],
        sentinel: Callable[[Any], Optional[tuple[str, str]]], find_sentinel: Callable[[str, str], Any],
    ) -> None:  # fmt: skip
        self.me = me
        self.find_class, self.remote = find_class, remote
        self.sentinel, self.find_sentinel = sentinel, find_sentinel
        self.handles: list[Any] = []  # own callables and iterators that the other side may use
        self._handle_of: dict[int, int] = {}
        self.remotes: dict[int, tuple[Any, int]] = {}  # id of a stand-in: (itself, its number on the other side)

    def handle(self, value: Any) -> int:
        if id(value) not in self._handle_of:
            self._handle_of[id(value)] = len(self.handles)
            self.handles.append(value)  # kept, so that the id stays its own
        return self._handle_of[id(value)]

    def own(self, number: Any) -> Any:
        if type(number) is not int or not 0 <= number < len(self.handles):
            raise Gone("an unknown handle")
        return self.handles[number]


class Outgoing:
    """One message's values being encoded.

    Args:
        known: objects that have numbers already, from the message this one answers: (object, number).
    """

    def __init__(self, codec: Codec, known: Optional[dict[int, Any]] = None, first: int = 0) -> None:
        self._codec = codec
        self.numbered: dict[int, Any] = dict(known or {})
        self._numbers = {id(value): number for number, value in self.numbered.items()}
        self._next = first
        self._waiting: list[int] = list(self.numbered)

    def value(self, value: Any, depth: int = 0) -> Any:
        """The JSON of a value.  Raises: NotPlain."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if -SAFE_INTEGER < value < SAFE_INTEGER else {"int": hex(value)}
        if kind is float:
            return {"float": value.hex()}
        if depth > 100:
            raise NotPlain("it is nested too deeply")
        if kind is tuple:
            return {"tuple": [self.value(item, depth + 1) for item in value]}
        if kind is bytes:
            return {"bytes": value.hex()}
        if kind is frozenset:
            return {"frozenset": [self.value(item, depth + 1) for item in value]}
        if kind in MUTABLE:
            return self._reference(value)
        if kind in IMMUTABLE:
            return {IMMUTABLE[kind]: [self.value(part, depth + 1) for part in PARTS[IMMUTABLE[kind]](value)]}
        return self._other(value, kind, depth)

    def _other(self, value: Any, kind: type, depth: int) -> Any:
        codec = self._codec
        if id(value) in codec.remotes:
            return {"yours": codec.remotes[id(value)][1]}
        if isinstance(value, type):
            return {"class": self._class(value)}
        if isinstance(value, enum.Flag):
            return {"flag": [*self._class(kind), self.value(value.value)]}  # a combination has no name of its own
        if isinstance(value, enum.Enum):
            return {"enum": [*self._class(kind), value.name]}
        if kind in FUNCTIONS:
            if codec.me == "tests" and is_powerful(value):
                raise NotPlain(f"{getattr(value, '__name__', 'a callable')}, which does what it is told")
            return {"callable": [codec.handle(value), str(getattr(value, "__name__", "remote"))]}
        if kind in ITERATORS:
            return {"iterator": [codec.handle(value), ""]}
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return {"named": [*self._class(kind), *(self.value(item, depth + 1) for item in tuple.__iter__(value))]}
        if kind.__module__ == "numpy":
            return self._array(value, kind)
        if (kind.__module__, kind.__qualname__) == ("zoneinfo", "ZoneInfo"):
            return {"zone": [self.value(value.key)]}
        found = codec.sentinel(value)
        if found is not None:
            return {"sentinel": list(found)}
        if is_plain_class(kind):
            return self._reference(value)
        raise NotPlain(f"a value of type {kind.__module__}.{kind.__qualname__}")

    def _class(self, kind: type) -> list[str]:
        name = [kind.__module__, kind.__qualname__]
        if kind.__module__ == "builtins" and FACTORIES.get(kind.__qualname__) is kind:
            return name
        if self._codec.find_class(*name) is not kind:
            raise NotPlain(f"the class {'.'.join(name)}")
        return name

    def _array(self, value: Any, kind: type) -> Any:
        name = kind.__name__
        if name == "ndarray" and value.dtype.kind in "biufcSU":
            return {"array": [value.dtype.str, list(value.shape), value.tobytes().hex()]}
        if hasattr(value, "dtype") and value.dtype.kind in "biufc":
            return {"scalar": [value.dtype.str, [], value.tobytes().hex()]}
        raise NotPlain(f"a value of type numpy.{name}")

    def _reference(self, value: Any) -> dict[str, int]:
        if id(value) not in self._numbers:
            self._numbers[id(value)] = self._next
            self.numbered[self._next] = value
            self._waiting.append(self._next)
            self._next += 1
        return {"ref": self._numbers[id(value)]}

    def objects(self) -> dict[str, Any]:
        """The contents of all objects that were referred to, and of what these refer to.  Raises: NotPlain."""
        told: dict[str, Any] = {}
        while self._waiting:
            number = self._waiting.pop()
            told[str(number)] = self._contents(self.numbered[number])
        return told

    def _contents(self, value: Any) -> list[Any]:
        kind = type(value)
        if kind in MUTABLE:
            name = MUTABLE[kind]
            if name in ("dict", "ordered", "counter", "default"):
                pairs = [[self.value(key), self.value(item)] for key, item in dict.items(value)]
                if name != "default":
                    return [name, pairs]
                factory = value.default_factory
                if factory is not None and FACTORIES.get(getattr(factory, "__name__", "")) is not factory:
                    raise NotPlain("a defaultdict with a factory of its own")
                return [name, pairs, factory and factory.__name__]
            if name == "bytearray":
                return [name, bytes(value).hex()]
            items = [self.value(item) for item in value]
            return [name, items, value.maxlen] if name == "deque" else [name, items]
        return ["object", [[name, self.value(item)] for name, item in state_of(value)], *self._class(kind)]


class Incoming:
    """One message's values being rebuilt.

    Args:
        objects: contents by number, as `Outgoing.objects` told them.
        known: objects of our own that have numbers; they are changed in place where `sent` differs from `objects`.
    """

    def __init__(self, codec: Codec, objects: Any, known: Optional[dict[int, Any]] = None,
                 sent: Optional[dict[str, Any]] = None) -> None:  # fmt: skip
        self._codec = codec
        self._arrays: list[tuple[Any, bytes]] = []
        self.numbered: dict[int, Any] = dict(known or {})
        if type(objects) is not dict:
            raise Gone("no table of objects")
        sent = sent or {}
        fresh: list[tuple[int, list[Any]]] = []
        try:
            for text, contents in objects.items():
                number = int(text)
                if number not in self.numbered:
                    self.numbered[number] = self._empty(contents)
                    fresh.append((number, contents))
                elif sent.get(text) != contents:
                    fresh.append((number, contents))
            # Objects first: sets and dictionaries may hold them, and ask for their hash.
            for number, contents in sorted(fresh, key=lambda pair: pair[1][0] != "object"):
                self._fill(self.numbered[number], contents)
        except (Gone, NotPlain):
            raise
        except Exception as error:  # of a class that is more than its attributes, or was not made by an `Outgoing`
            raise NotPlain(f"an object, which cannot be rebuilt: {error}") from None

    def value(self, told: Any) -> Any:
        """The value that JSON stands for.  Raises: Gone, NotPlain."""
        try:
            return self._value(told)
        except (Gone, NotPlain):
            raise
        except Exception as error:
            raise NotPlain(f"a value, which cannot be rebuilt: {error}") from None

    def _value(self, told: Any) -> Any:
        if told is None or type(told) in (bool, int, str):
            return told
        ((kind, parts),) = told.items()
        if kind == "ref":
            return self.numbered[parts]
        if kind == "int":
            return int(parts, 16)
        if kind == "float":
            return float.fromhex(parts)
        if kind == "bytes":
            return bytes.fromhex(parts)
        if kind == "tuple":
            return tuple([self._value(part) for part in parts])
        if kind == "frozenset":
            return frozenset([self._value(part) for part in parts])
        if kind == "yours":
            return self._codec.own(parts)
        if kind in ("callable", "iterator"):
            number, name = int(parts[0]), str(parts[1])
            stand_in = self._codec.remote(kind, number, name)
            self._codec.remotes[id(stand_in)] = (stand_in, number)
            return stand_in
        if kind == "class":
            return self._class(*parts)
        if kind == "flag":
            return self._class(parts[0], parts[1], enum.Flag)(self._value(parts[2]))
        if kind == "enum":
            return self._class(parts[0], parts[1], enum.Enum)[parts[2]]
        if kind == "named":
            return tuple.__new__(self._class(parts[0], parts[1], tuple), [self._value(part) for part in parts[2:]])
        if kind == "sentinel":
            return self._codec.find_sentinel(*parts)
        if kind in ("array", "scalar"):
            array = self._array(kind, *parts)
            if kind == "array":
                self._arrays.append((array, array.tobytes()))
            return array
        return BUILD[kind](*[self._value(part) for part in parts])

    def check_arrays(self) -> None:
        """Raises: NotPlain, if an array was changed in place: these travel as values."""
        if any(array.tobytes() != before for array, before in self._arrays):
            raise NotPlain("an array that is changed in place")

    def _class(self, module: str, name: str, of: type = object) -> Any:
        found = FACTORIES.get(name) if module == "builtins" else self._codec.find_class(module, name)
        if found is None or not issubclass(found, of):
            raise NotPlain(f"the class {module}.{name}")
        return found

    @staticmethod
    def _array(kind: str, dtype: str, shape: list[int], data: str) -> Any:
        import numpy

        if numpy.dtype(dtype).kind not in "biufcSU":
            raise ValueError(dtype)
        array = numpy.frombuffer(bytes.fromhex(data), dtype=dtype).reshape(shape).copy()
        return array if kind == "array" else array[()]

    def _empty(self, contents: list[Any]) -> Any:
        kind = contents[0]
        if kind == "object":
            found = self._class(*contents[2:4])
            if not is_plain_class(found):
                raise NotPlain(f"an object of {found.__qualname__}")
            return object.__new__(found)
        if kind == "default":
            return collections.defaultdict(FACTORIES[contents[2]] if contents[2] is not None else None)
        if kind == "deque":
            return collections.deque(maxlen=contents[2])
        return CREATE[kind]()

    def _fill(self, value: Any, contents: list[Any]) -> None:
        kind, items = contents[0], contents[1]
        if kind == "object":
            if type(value) is not self._class(*contents[2:4]):
                raise ValueError("another class")
            for name, _ in state_of(value):
                object.__delattr__(value, name)
            for name, item in items:
                object.__setattr__(value, str(name), self._value(item))
            return
        if MUTABLE.get(type(value)) != kind:
            raise ValueError("another type")
        if kind in ("dict", "ordered", "counter", "default"):
            pairs = [(self._value(key), self._value(item)) for key, item in items]
            value.clear()
            for key, item in pairs:
                dict.__setitem__(value, key, item) if kind != "ordered" else value.__setitem__(key, item)
        elif kind == "bytearray":
            value[:] = bytes.fromhex(items)
        elif kind == "list":
            value[:] = [self._value(item) for item in items]
        else:
            new = [self._value(item) for item in items]
            value.clear()
            value.update(new) if kind == "set" else value.extend(new)


def is_plain_class(kind: type) -> bool:
    """Whether instances are nothing but their attributes, so that they can be taken apart and rebuilt."""
    if not isinstance(kind, type) or kind.__module__ == "builtins" or issubclass(kind, (BaseException, type)):
        return False
    return all(base.__module__ not in ("builtins", "_thread", "threading", "_io") or base is object
               for base in kind.__mro__) and object.__reduce_ex__ is kind.__reduce_ex__  # fmt: skip


def state_of(value: Any) -> list[tuple[str, Any]]:
    """The attributes of an instance, from its dictionary and its slots."""
    state = list(getattr(value, "__dict__", {}).items())
    for base in type(value).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{base.__name__.lstrip('_')}{name}"
            member = base.__dict__.get(name)
            if isinstance(member, types.MemberDescriptorType):
                try:
                    state.append((name, member.__get__(value)))
                except AttributeError:
                    continue
    return state


MUTABLE: dict[type, str] = {
    list: "list", dict: "dict", set: "set", bytearray: "bytearray", collections.OrderedDict: "ordered",
    collections.Counter: "counter", collections.defaultdict: "default", collections.deque: "deque",
}  # fmt: skip
CREATE: dict[str, Callable[[], Any]] = {name: kind for kind, name in MUTABLE.items()}


def _zone(key: str) -> Any:
    import zoneinfo

    return zoneinfo.ZoneInfo(key)


IMMUTABLE: dict[type, str] = {
    complex: "complex", range: "range", slice: "slice", type(Ellipsis): "ellipsis",
    type(NotImplemented): "not implemented", datetime.date: "date", datetime.time: "time",
    datetime.datetime: "datetime", datetime.timedelta: "timedelta", datetime.timezone: "timezone",
    decimal.Decimal: "decimal", fractions.Fraction: "fraction", uuid.UUID: "uuid",
    **dict.fromkeys(PATHS.values(), "path"),
}  # fmt: skip

PARTS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "complex": lambda v: (v.real, v.imag),
    "range": lambda v: (v.start, v.stop, v.step),
    "slice": lambda v: (v.start, v.stop, v.step),
    "ellipsis": lambda v: (),
    "not implemented": lambda v: (),
    "date": lambda v: (v.year, v.month, v.day),
    "time": lambda v: (v.hour, v.minute, v.second, v.microsecond, v.tzinfo, v.fold),
    "datetime": lambda v: (v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.tzinfo, v.fold),
    "timedelta": lambda v: (v.days, v.seconds, v.microseconds),
    "timezone": lambda v: (v.utcoffset(None),),
    "decimal": lambda v: (str(v),),
    "fraction": lambda v: (v.numerator, v.denominator),
    "uuid": lambda v: (v.hex,),
    "path": lambda v: (type(v).__name__, str(v)),
}
BUILD: dict[str, Callable[..., Any]] = {
    "complex": complex,
    "range": range,
    "slice": slice,
    "ellipsis": lambda: Ellipsis,
    "not implemented": lambda: NotImplemented,
    "date": datetime.date,
    "time": lambda *v: datetime.time(*v[:5], fold=v[5]),
    "datetime": lambda *v: datetime.datetime(*v[:8], fold=v[8]),
    "timedelta": datetime.timedelta,
    "timezone": lambda offset: datetime.timezone.utc if not offset else datetime.timezone(offset),
    "decimal": decimal.Decimal,
    "fraction": fractions.Fraction,
    "uuid": uuid.UUID,
    "path": lambda name, text: PATHS[name](text),
    "zone": _zone,
}
