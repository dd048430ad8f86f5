"""Messages as no honest candidate's process sends them: what the tests' side makes of them does nothing but fail."""

from __future__ import annotations

import json
import math
import socket
import struct
import types
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies

from engine.verification.agent import peer, plain


class Point:
    """The one class that both sides know."""

    def __init__(self, x: int) -> None:
        self.x = x


@pytest.fixture(scope="module")
def ends() -> Iterator[tuple[peer.Peer, socket.socket]]:
    """The tests' side, and a bare socket where the candidate's would be."""
    ours, theirs = socket.socketpair()

    def find_class(module: str, name: str) -> type | None:
        return Point if (module, name) == (Point.__module__, "Point") else None

    def find_exception(module: str, name: str) -> type | None:
        return {"ValueError": ValueError, "KeyError": KeyError}.get(name) if module == "builtins" else None

    def find_sentinel(module: str, name: str) -> Any:
        raise ValueError(name)

    side = peer.Peer(
        plain, "tests", ours.detach(), {}, find_class=find_class, find_exception=find_exception,
        sentinel=lambda value: None, find_sentinel=find_sentinel,
    )  # fmt: skip
    side.seconds = 5.0
    yield side, theirs
    side.pipe.close()
    theirs.close()


def answered(ends: tuple[peer.Peer, socket.socket], *messages: bytes) -> Any:
    """What a call of the candidate's comes to, if these are the answers; its argument is a list of ours."""
    side, theirs = ends
    own = [1, [2, 3]]
    for data in messages:
        theirs.sendall(struct.pack(">I", len(data)) + data)
    try:
        return side.request("call", "f", (own,))
    finally:
        theirs.setblocking(False)
        try:
            while theirs.recv(1 << 16):
                pass
        except BlockingIOError:
            theirs.setblocking(True)


def encoded(**message: Any) -> bytes:
    return json.dumps({"objects": {}, **message}).encode()


MISMADE = {
    "no JSON": b"{",
    "not an object": b"[1]",
    "deep": b"[" * 200_000,
    "bytes that are no text": b"\xff\xfe\x00",
    "empty": b"{}",
    "no table": b'{"value": 1}',
    "a table that is none": encoded(value=1, objects=[1]),
    "an unknown kind": encoded(value={"pickle": "gASVBQAAAA=="}),
    "two kinds": encoded(value={"int": "0x1", "float": "0x1"}),
    "an unknown object": encoded(value={"ref": 7}),
    "a list is no value": encoded(value=[1]),
    "no number": encoded(value={"ref": 1}, objects={"one": ["list", []]}),
    "no contents": encoded(value={"ref": 1}, objects={"1": []}),
    "another type for a list of ours": encoded(value=1, objects={"0": ["dict", []]}),
    "a class that is not known": encoded(value={"class": ["os", "system"]}),
    "an object of such a class": encoded(value={"ref": 9}, objects={"9": ["object", [], "unittest.mock", "_ANY"]}),
    "a builtin as an object": encoded(value={"ref": 9}, objects={"9": ["object", [], "builtins", "BaseException"]}),
    "an unknown enumeration": encoded(value={"enum": ["enum", "Enum", "A"]}),
    "an unknown flag": encoded(value={"flag": ["enum", "Flag", 1]}),
    "an unknown sentinel": encoded(value={"sentinel": ["os", "environ"]}),
    "a handle that was never given": encoded(value={"yours": 0}),
    "a negative handle": encoded(value={"yours": -1}),
    "a factory that is none": encoded(value={"ref": 9}, objects={"9": ["default", [], "eval"]}),
    "a division by zero": encoded(value={"fraction": ["1/0"]}),
    "no decimal": encoded(value={"decimal": ["many"]}),
    "an array of objects": encoded(value={"array": ["|O", [1], "00" * 8]}),
    "an array of another size": encoded(value={"array": ["<f8", [1 << 40], "00" * 8]}),
    "an unhashable member": encoded(value={"frozenset": [{"ref": 9}]}, objects={"9": ["list", []]}),
    "a set that holds itself": encoded(value={"ref": 9}, objects={"9": ["set", [{"ref": 9}]]}),
    "an exception without a class": encoded(raised={"classes": [], "args": [], "state": [], "text": ""}),
    "an exception of a strange form": encoded(raised={"classes": 3, "args": 4, "state": 5, "text": 6}),
    "an exception with a broken state": encoded(
        raised={"classes": [["builtins", "ValueError"]], "args": [], "state": [1], "text": ""}
    ),
    "an exception whose fields are none": encoded(
        raised={"classes": [["builtins", "ValueError"]], "args": [], "state": [], "text": "", "fields": [1]}
    ),
    "an exception that is no one's": encoded(
        raised={"classes": [["_pytest.outcomes", "Skipped"]], "args": ["s"], "state": [], "text": ""}
    ),
}


@pytest.mark.parametrize("message", MISMADE.values(), ids=MISMADE)
def test_a_message_that_was_not_made_by_the_protocol_is_an_end_of_it(ends, message):
    with pytest.raises((plain.Gone, plain.NotPlain)):
        answered(ends, message)


@pytest.mark.parametrize(
    "asked",
    [
        {"ask": "call", "target": "eval", "args": ["1"], "kwargs": [], "objects": {}},
        {"ask": "call", "target": "__load__", "args": [], "kwargs": [], "objects": {}},
    ],
)
def test_nothing_of_ours_can_be_called_by_name(ends, asked):
    side, theirs = ends
    for message in (json.dumps(asked).encode(), encoded(value=1)):
        theirs.sendall(struct.pack(">I", len(message)) + message)
    assert side.request("call", "f") == 1
    candidate = plain.Pipe(theirs.dup().detach())
    candidate.receive()  # our request
    assert "not plain" in candidate.receive()
    candidate.close()


def test_a_handle_of_another_conversation_ends_this_one(ends):
    asked = {"ask": "call", "target": 99, "args": [], "kwargs": [], "objects": {}}
    with pytest.raises(plain.Gone):
        answered(ends, json.dumps(asked).encode())


def test_attributes_of_a_raised_exception_are_its_own_alone(ends):
    told = {"classes": [["builtins", "KeyError"]], "args": ["k"], "text": "", "state": [["__class__", 1], ["note", 2]]}
    with pytest.raises(KeyError) as caught:
        answered(ends, encoded(raised=told))
    assert type(caught.value) is KeyError and vars(caught.value) == {"note": 2}


def test_fields_of_a_raised_exception_are_its_own_alone(ends):
    fields = [["args", 1], ["__traceback__", 1], ["filename", "a"], ["code", 3]]
    told = {"classes": [["builtins", "ValueError"]], "args": ["v"], "text": "", "state": [], "fields": fields}
    with pytest.raises(ValueError, match="v") as caught:
        answered(ends, encoded(raised=told))
    assert caught.value.args == ("v",) and vars(caught.value) == {}


# Whatever arrives: texts and numbers, and the words of the protocol where they may and may not stand.
WORDS = strategies.sampled_from((
    "value", "raised", "stop", "objects", "heard", "not plain", "ref", "int", "float", "bytes", "tuple", "frozenset",
    "class", "enum", "named", "sentinel", "array", "scalar", "callable", "iterator", "yours", "list", "dict", "set",
    "object", "deque", "default", "counter", "ordered", "bytearray", "builtins", "Point", "date", "decimal", "path",
    "flag", "zone", "classes", "args", "state", "text", "fields", "says", "0", "1", "2", "ValueError",
    "__class__", "__dict__", __name__,
))  # fmt: skip
LEAVES = strategies.one_of(
    strategies.none(), strategies.booleans(), strategies.integers(-2, 3), strategies.text(max_size=3), WORDS
)
ANYTHING = strategies.recursive(
    LEAVES,
    lambda inner: strategies.lists(inner, max_size=4) | strategies.dictionaries(WORDS, inner, max_size=3),
    max_leaves=12,
)
ANSWERS = strategies.fixed_dictionaries(
    {"objects": strategies.dictionaries(strategies.sampled_from(("0", "1", "2", "3")), ANYTHING, max_size=3)},
    optional={"value": ANYTHING, "raised": ANYTHING, "stop": ANYTHING, "heard": ANYTHING},
)
PLAIN = (
    type(None), bool, int, str, float, complex, bytes, bytearray, tuple, list, dict, set, frozenset, range, slice,
    type(Ellipsis), type(NotImplemented), types.FunctionType, types.GeneratorType, Point,
)  # fmt: skip


def is_plain(value: Any) -> bool:
    """Whether a value is one of those that may cross (a function or a generator is a stand-in of ours)."""
    kind = type(value)
    return kind in PLAIN or kind.__module__ in ("datetime", "decimal", "fractions", "uuid", "collections", "numpy") or (
        kind.__module__.startswith(("pathlib", "zoneinfo")) or isinstance(value, type)
    )  # fmt: skip


@pytest.mark.slow
@settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(answer=ANSWERS | ANYTHING)
@example(answer={"objects": {}, "value": {"float": "nan"}})
def test_whatever_arrives_is_a_plain_value_or_an_exception(ends, answer):
    """An exception of any kind a candidate could have raised itself; so nothing is gained by causing one."""
    try:
        value = answered(ends, json.dumps(answer).encode())
    except Exception as error:
        assert not isinstance(error, AssertionError)
    else:
        assert is_plain(value), repr(value)


def test_what_stands_for_itself_does_nothing():
    """A module's own marker may be an answer; a module, a class or a function of the user's may not."""
    assert plain.may_be_sentinel(object())
    assert not any(plain.may_be_sentinel(each) for each in (math, len, Point, is_plain, iter([])))
