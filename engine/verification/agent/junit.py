"""Read test results from JUnit XML, which whoever wrote it may have got wrong or meant badly.

There is no standard: suites may be nested or missing, names empty or doubled.  What counts is every `testcase`,
wherever it stands.  Document types and entities are refused, sizes and depths bounded.
"""

from __future__ import annotations

from typing import Any, Optional
from xml.parsers import expat

MOST_BYTES = 16 << 20
MOST_TESTS = 20_000
DEEPEST = 64
LONGEST_TEXT = 4000
LONGEST_ID = 500

BAD = {"failure": "failed", "error": "error", "skipped": "skipped", "disabled": "skipped"}
WORST = ("passed", "skipped", "failed", "error")


class NotJUnit(ValueError):
    """The text is no JUnit XML; says why."""


def parse(data: bytes) -> list[dict[str, Any]]:
    """The test cases in their order: id, outcome, seconds, message (one line) and detail.

    Ids are `classname::name`; a second case of the same id gets `#2` behind it, and so on.

    Raises:
        NotJUnit: it cannot be read, or is no test report.
    """
    if len(data) > MOST_BYTES:
        raise NotJUnit(f"it is larger than {MOST_BYTES >> 20} MiB")
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise NotJUnit(f"it is no well-formed XML ({error})") from error
    if reader.root not in ("testsuites", "testsuite"):
        raise NotJUnit(f"its outermost element is <{reader.root}>, not <testsuites> or <testsuite>")
    return numbered(reader.cases)


def numbered(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ids made unique."""
    times: dict[str, int] = {}
    for case in cases:
        times[case["id"]] = count = times.get(case["id"], 0) + 1
        if count > 1:
            case["id"] += f"#{count}"
    return cases


def _refuse(*_: Any) -> Any:
    raise NotJUnit("it has a document type or entities, which a test report does not need")


class _Reader:
    def __init__(self) -> None:
        self.root = ""
        self.cases: list[dict[str, Any]] = []
        self._depth = 0
        self._case: Optional[dict[str, Any]] = None
        self._inside = ""  # the child of the case that is being read
        self._room = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition("}")[2]
        self._depth += 1
        if self._depth > DEEPEST:
            raise NotJUnit("its elements are nested too deeply")
        self.root = self.root or name
        if name == "testcase" and self._case is None:
            if len(self.cases) >= MOST_TESTS:
                raise NotJUnit(f"it has more than {MOST_TESTS} tests")
            self._case = _case(attributes)
        elif self._case is not None and name in BAD:
            self._inside = name
            outcome = BAD[name]
            if WORST.index(outcome) >= WORST.index(self._case["outcome"]):
                self._case["outcome"] = outcome
                self._case["message"] = attributes.get("message") or attributes.get("type") or outcome
            self._room = LONGEST_TEXT - len(self._case["detail"])

    def end(self, name: str) -> None:
        name = name.rpartition("}")[2]
        self._depth -= 1
        if name == self._inside:
            self._inside = ""
        if name == "testcase" and self._case is not None and not self._inside:
            self._case["message"] = self._case["message"].strip().partition("\n")[0][:300]
            self._case["detail"] = self._case["detail"].strip()
            self.cases.append(self._case)
            self._case = None

    def text(self, text: str) -> None:
        if self._inside and self._case is not None and self._room > 0:
            self._case["detail"] += text[: self._room]
            self._room -= len(text)


def _case(attributes: dict[str, str]) -> dict[str, Any]:
    owner, name = attributes.get("classname", ""), attributes.get("name", "")
    status = attributes.get("status", "").lower()
    return {
        "id": (f"{owner}::{name}" if owner else name or "?")[:LONGEST_ID],
        "outcome": "skipped" if status in ("notrun", "skipped", "disabled") else "passed",
        "seconds": _seconds(attributes.get("time", "")),
        "message": "",
        "detail": "",
    }


def _seconds(text: str) -> float:
    try:
        seconds = float(text.replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 1e6 else 0.0
