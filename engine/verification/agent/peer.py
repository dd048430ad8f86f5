"""Calls between the two processes of a split run (standard library alone, CPython 3.9+).

Either side may call the other while it waits for an answer: the tests call the target, which may call back a function
that a test has given it.  One conversation at a time; what comes from the other side is data, never code.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator
from typing import Any, Callable, NoReturn, Optional

Names = tuple[str, str]  # a module's name and a qualified name in it
STAND_IN = "a function or an iterator, of which the other side has but a stand-in"
LONGEST_TEXT = 4000  # characters of an exception's text that are compared
# What built-in exceptions keep in C, and not always among their arguments.
FIELDS: tuple[tuple[type[BaseException], tuple[str, ...]], ...] = (
    (SystemExit, ("code",)),
    (OSError, ("errno", "strerror", "filename", "filename2")),
    (ImportError, ("msg", "name", "path")),
    (SyntaxError, ("msg", "filename", "lineno", "offset", "text", "end_lineno", "end_offset")),
    (NameError, ("name",)),
    (AttributeError, ("name",)),
)


def has_handles(message: dict[str, Any]) -> bool:
    """Whether a request refers to callables or iterators, so that asking it again is not the same."""
    text = repr(message)
    return any(mark in text for mark in ("'callable'", "'iterator'", "'yours'"))


class Peer:
    """One end of the conversation.

    Args:
        plain: the module `plain`, however it was loaded.
        me: "tests" or "candidate".
        exports: functions that the other side may call by name.
        find_class, find_exception: what a class's name means to this side, or None.
        sentinel, find_sentinel: see `plain.Codec`.
        around: makes a context for each call served by name; what it gives goes with the answer.
        heard: takes what the other side's `around` gave.
        sending: told of each request before it goes; received: of each message that comes.
        lost: told of what is less on one side than it is on the other, so that an honest implementation may fail.
    """

    def __init__(
        self, plain: Any, me: str, descriptor: int, exports: dict[str, Callable[..., Any]], *,
        find_class: Callable[[str, str], Optional[type]], find_exception: Callable[[str, str], Optional[type]],
        sentinel: Callable[[Any], Optional[Names]], find_sentinel: Callable[[str, str], Any],
        around: Optional[Callable[[], Any]] = None, heard: Optional[Callable[[Any], None]] = None,
        sending: Optional[Callable[[dict[str, Any]], None]] = None,
        received: Optional[Callable[[dict[str, Any]], None]] = None,
        lost: Optional[Callable[[str], None]] = None,
    ) -> None:  # fmt: skip
        self._plain = plain
        self.pipe = plain.Pipe(descriptor)
        self.codec = plain.Codec(me, find_class, self._stand_in, sentinel, find_sentinel)
        self.exports = exports
        self._find_exception = find_exception
        self._around, self._heard = around, heard
        self._sending, self._received, self._lost = sending, received, lost
        self._lock = threading.RLock()
        self.seconds: Optional[float] = None  # bounds the wait for an answer
        self.last: tuple[dict[str, Any], dict[str, Any]] = ({}, {})  # the last request and its answer

    # -- asking

    def request(
        self, what: str, target: Any, args: tuple[Any, ...] = (), kwargs: Optional[dict[str, Any]] = None, *,
        rehearse: bool = False,
    ) -> Any:  # fmt: skip
        """Call `target`, a name or a handle of the other side, or ask an iterator for its next item.

        Args:
            rehearse: ask once before, and pass over that answer; not if handles are among the arguments.

        Raises: NotPlain, Gone, or what the other side raised.
        """
        out = self._plain.Outgoing(self.codec)
        message = {
            "ask": what,
            "target": target,
            "args": [out.value(value) for value in args],
            "kwargs": [[str(name), out.value(value)] for name, value in (kwargs or {}).items()],
        }
        message["objects"] = out.objects()
        if self._sending is not None:
            self._sending(message)
        if type(target) is not str or ((self.codec.handles or self.codec.remotes) and has_handles(message)):
            self._lose(STAND_IN)
        with self._lock:
            if rehearse and not has_handles(message):
                self.ask(message)
            answer = self.ask(message)
            self.last = (message, answer)
        return self._understand(answer, out.numbered, message["objects"])

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a request as it is and return its answer, serving what is asked of this side meanwhile."""
        self.pipe.send(message)
        while True:
            received: dict[str, Any] = self.pipe.receive(self.seconds)
            if self._received is not None:
                self._received(received)
            if "ask" not in received:
                return received
            self._lose(STAND_IN)
            self.pipe.send(self.serve(received))

    def _understand(self, answer: dict[str, Any], numbered: dict[int, Any], sent: dict[str, Any]) -> Any:
        plain = self._plain
        if "not plain" in answer:
            raise plain.NotPlain(str(answer["not plain"])[:300])
        told = next((kind for kind in ("stop", "raised", "value") if kind in answer), "")
        if not told or "objects" not in answer:
            raise plain.Gone("an answer lacks what it is")
        incoming = plain.Incoming(self.codec, answer["objects"], numbered, sent)
        if self._heard is not None and "heard" in answer:
            self._heard(answer["heard"])
        if told == "stop":
            raise StopIteration(incoming.value(answer[told]))
        if told == "raised":
            self._raise(answer[told], incoming)
        return incoming.value(answer[told])

    def _raise(self, told: Any, incoming: Any) -> NoReturn:
        """Raise the nearest class that this side knows; one it does not know cannot be expected by its code."""
        try:
            names, args, state, text = told["classes"], told["args"], told["state"], str(told["text"])[:300]
            known = [self._find_exception(str(module), str(name)) for module, name in names]
            kind = next((each for each in known if each is not None), None)
            if kind is None or args is None:
                raise self._plain.NotPlain(f"an exception: {text}")
            values = [incoming.value(value) for value in args]
            attributes = [(str(name), incoming.value(value)) for name, value in state or ()]
            fields = {str(name): incoming.value(value) for name, value in told.get("fields", ())}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._plain.Gone(f"an exception cannot be rebuilt: {error}") from None
        try:
            raised = rebuilt(kind, values, fields)
        except Exception as error:  # of the class's own `__new__`
            raise self._plain.NotPlain(f"an exception: {text} ({type(error).__name__})") from None
        raised.__dict__.update((name, value) for name, value in attributes if not name.startswith("__"))
        if kind is not known[0]:
            self._lose(f"the class of an exception: {text}")
        elif told.get("more") or said_by(raised) != told.get("says"):
            self._lose(f"a part of an exception: {text}")
        raise raised

    def _lose(self, what: str) -> None:
        if self._lost is not None:
            self._lost(what)

    def _stand_in(self, kind: str, number: int, name: str) -> Any:
        self._lose(STAND_IN)
        if kind == "callable":

            def function(*args: Any, **kwargs: Any) -> Any:
                return self.request("call", number, args, kwargs)

            function.__name__ = function.__qualname__ = name
            return function

        def iterator() -> Generator[Any, None, Any]:
            while True:
                try:
                    item = self.request("next", number)
                except StopIteration as stop:
                    return stop.value
                yield item

        return iterator()

    # -- serving

    def serve(self, message: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request of the other side."""
        plain = self._plain
        try:
            incoming = plain.Incoming(self.codec, message["objects"])
            args = [incoming.value(value) for value in message["args"]]
            kwargs = {str(name): incoming.value(value) for name, value in message["kwargs"]}
            target = message["target"]
            if type(target) is str and target not in self.exports:
                return {"not plain": f"{target}, which exists only while another function runs"}
            function: Any = self.exports[target] if type(target) is str else self.codec.own(target)
        except (KeyError, ValueError, TypeError) as error:
            raise plain.Gone(f"a request cannot be understood: {error!r}") from None
        except plain.NotPlain as error:
            return {"not plain": str(error)}
        heard: list[Any] = []
        known, first = incoming.numbered, max(incoming.numbered, default=-1) + 1
        try:
            if message["ask"] == "next":
                value = next(function)
            elif self._around is not None and type(target) is str:
                with self._around() as heard:
                    value = function(*args, **kwargs)
            else:
                value = function(*args, **kwargs)
            incoming.check_arrays()
        except StopIteration as stop:
            return self._answer("stop", stop.value, known, first, heard)
        except plain.Gone:
            raise
        except plain.NotPlain as error:  # of a call back to the other side
            return {"not plain": str(error)}
        except BaseException as error:
            return self._answer("raised", error, known, first, heard)
        return self._answer("value", value, known, first, heard)

    def _answer(self, what: str, value: Any, known: dict[int, Any], first: int, heard: list[Any]) -> dict[str, Any]:
        plain = self._plain
        out = plain.Outgoing(self.codec, known, first)
        try:
            told = self._exception(value, out) if what == "raised" else out.value(value)
            return {what: told, "objects": out.objects(), "heard": list(heard)}
        except plain.NotPlain as error:
            return {"not plain": str(error)}

    def _exception(self, error: BaseException, out: Any) -> dict[str, Any]:
        classes = [[kind.__module__, kind.__qualname__] for kind in type(error).__mro__ if kind is not object]
        try:
            args: Optional[list[Any]] = [out.value(value) for value in error.args]
        except self._plain.NotPlain:
            args = None
        state = []
        for name, value in getattr(error, "__dict__", {}).items():
            try:
                state.append([name, out.value(value)])
            except self._plain.NotPlain:
                continue  # an attribute that no test can have compared with plain data
        fields = []
        for name, value in fields_of(error):
            try:
                fields.append([name, out.value(value)])
            except self._plain.NotPlain:
                continue  # its text shows whether it matters
        says = said_by(error)
        more = error.__cause__ is not None or bool(getattr(error, "__notes__", None))
        return {"classes": classes, "args": args, "state": state, "fields": fields, "says": says, "more": more,
                "text": f"{type(error).__name__}: {says}"[:300]}  # fmt: skip


def said_by(error: BaseException) -> Optional[str]:
    """The text of an exception; None if it cannot be told."""
    try:
        return str(error)[:LONGEST_TEXT]
    except Exception:  # the candidate's own class may raise anything here
        return None


def fields_of(error: BaseException) -> list[tuple[str, Any]]:
    """What is set of `FIELDS`."""
    found = []
    for owner, names in FIELDS:
        if isinstance(error, owner):
            for name in names:
                field = vars(owner).get(name)  # not all of them in 3.9
                value = None if field is None else field.__get__(error)
                found += [] if value is None else [(name, value)]
    return found


def rebuilt(kind: type, values: list[Any], fields: dict[str, Any]) -> BaseException:
    """An exception with these arguments.  What is not built in has an `__init__` that may take others."""
    raised: Any = None
    if kind.__module__ == "builtins":
        with contextlib.suppress(TypeError, ValueError):  # its arguments were changed later
            raised = kind(*values)
    if type(raised) is not kind:  # OSError makes another class of itself
        raised = kind.__new__(kind, *values)
        base: Any = next(each for each in kind.__mro__ if each.__module__ == "builtins")
        with contextlib.suppress(TypeError, ValueError):
            base.__init__(raised, *values)
    raised.args = tuple(values)
    for owner, names in FIELDS:
        if isinstance(raised, owner):
            for name in names:
                if fields.get(name) is not None and name in vars(owner):
                    with contextlib.suppress(TypeError, ValueError):
                        vars(owner)[name].__set__(raised, fields[name])
    return raised  # type: ignore[no-any-return]
