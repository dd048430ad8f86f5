"""Ask the target again, once the tests are over: the same inputs, and others near them (standard library alone).

Two things are looked for.  An answer that differs for the same input: a pass may have been luck.  And a function that
tells one input of the tests from another but answers everything else alike, as a table of the tests' own inputs does.
Neither is a proof, so neither refuses a candidate: they are told to the user.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
import time
from collections.abc import Iterator
from typing import Any

SECONDS = 2.0  # for all of it
PATIENCE = 0.5  # for one answer
FEWEST_KNOWN = 3  # different answers that the tests must have seen, for a lack of others to mean anything
FEWEST_NEW = 8
MANY_NEW = 16
MOST_EQUAL = 0.6  # of objects of which one was changed
PER_CALL = 6
FEW_VALUES = ("[true", "[false", "[null", "raised")  # outcomes of functions that have few different answers by nature


def examine(remote: Any) -> dict[str, Any]:
    """`unsteady`: inputs answered differently when asked again; `alike`: what all new inputs were answered, if that is
    suspicious (`known`: only what the tests expect of their own inputs; `equal`: objects were called equal though one
    of them was changed); `asked`: how many new inputs; `new`: how many different answers they got that the tests do not
    expect of their own.
    """
    calls = list(remote.recorded.values())
    until = time.monotonic() + SECONDS
    remote.peer.seconds = PATIENCE
    unsteady, known, answers = 0, [], []
    compared: list[bool] = []  # answers of `__eq__`, which one change turns into a no
    try:
        for message, answer in reversed(calls):  # in the tests' order one that counts modulo their number is steady
            if time.monotonic() > until:
                break
            if remote.has_handles(answer):  # its number is another each time, whatever it stands for
                continue
            known.append(outcome(answer))
            unsteady += outcome(remote.peer.ask(message)) != outcome(answer)
        seen = set(remote.recorded)
        for message, _ in calls:
            for other in variants(message):
                if time.monotonic() > until:
                    break
                if repr(other) in seen:
                    continue
                seen.add(repr(other))
                found = remote.peer.ask(other)
                if not remote.has_handles(found):
                    answers.append(outcome(found))
                    compared += [answers[-1].startswith("[true")] if str(message["target"]).endswith(".__eq__") else []
    except Exception:  # noqa: S110 - the target hung or died on an input that no test asks about
        pass
    if len(compared) >= FEWEST_NEW and sum(compared) > MOST_EQUAL * len(compared):
        return {"unsteady": unsteady, "asked": len(compared), "alike": "equal"}
    new = {answer for answer in answers if not answer.startswith("raised")}.difference(known)
    return {"unsteady": unsteady, "asked": len(answers), "alike": alike(known, answers), "new": len(new)}


def outcome(answer: dict[str, Any]) -> str:
    """What an answer says, in a form that can be compared."""
    if "raised" in answer:
        return f"raised {answer['raised']['classes'][0][1]}"
    told = answer.get("value", answer.get("stop", answer.get("not plain")))
    return json.dumps([told, answer.get("objects", {})], sort_keys=True)


def alike(known: list[str], answers: list[str]) -> str:
    """The one answer to all new inputs, where that is suspicious; `known` if each got an answer of the tests' own;
    else empty.
    """
    if len(answers) < FEWEST_NEW:
        return ""
    telling = [answer for answer in known if not answer.startswith(FEW_VALUES)]
    if 2 <= len(telling) == len(set(known)) == len(known) and set(answers) <= set(known):
        return "known"
    if len(set(known)) < FEWEST_KNOWN or len(set(answers)) != 1:
        return ""
    only = answers[0]
    if only in known and (only.startswith("raised") or len(answers) < MANY_NEW):
        return ""
    return only if only.startswith("raised") else only[1:].rpartition(", {")[0] or only


def variants(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The request with one piece of its input changed a little.  Deterministic."""
    chance = random.Random(repr(message))  # noqa: S311 - to choose inputs
    places = list(leaves(message["args"], ("args",)))
    for number, contents in message["objects"].items():
        inside = ("objects", number, 1)
        if contents[0] == "object":  # its attributes' names stay
            places += [leaf for at, pair in enumerate(contents[1]) for leaf in leaves(pair[1], (*inside, at, 1))]
        else:
            places += leaves(contents[1], inside)
    chance.shuffle(places)
    for place in itertools.islice(itertools.cycle(places), PER_CALL):
        other = copy.deepcopy(message)
        holder: Any = other
        for step in place[:-1]:
            holder = holder[step]
        holder[place[-1]] = changed(holder[place[-1]], chance)
        yield other
    for contents in message["objects"].values():
        if contents[0] == "list" and len(contents[1]) > 1:
            for order in (slice(None, None, -1), slice(1, None), slice(None, -1)):
                other = copy.deepcopy(message)
                for each in other["objects"].values():
                    if each == contents:
                        each[1] = each[1][order]
                yield other


def leaves(told: Any, place: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Where numbers and texts stand in encoded values."""
    if type(told) is list:
        for index, item in enumerate(told):
            yield from leaves(item, (*place, index))
    elif type(told) in (int, str) and told != "":
        yield place
    elif type(told) is dict:
        ((kind, parts),) = told.items()
        if kind == "float":
            yield (*place, "float")
        elif kind in ("tuple", "frozenset"):
            yield from leaves(parts, (*place, kind))


def changed(value: Any, chance: random.Random) -> Any:
    """Another value near this one."""
    if type(value) is int:
        return value + chance.choice((-2, -1, 1, 2, 3, 10))
    if value.lstrip("-").startswith("0x") and "p" in value:  # a float in hexadecimal
        return (float.fromhex(value) + chance.choice((-1.5, -0.5, 0.25, 1.0, 7.0))).hex()
    index = chance.randrange(len(value))
    near = chance.choice((value[index], *value)) if len(set(value)) > 1 else "a"
    return chance.choice((value[:index] + value[index + 1 :], value[:index] + near + value[index:], value + value[:1],
                          value[::-1], value[:index] + near + value[index + 1 :], value + " " + value))  # fmt: skip
