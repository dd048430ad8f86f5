"""Run the user's own test command and tell what its JUnit XML says; in Greenfinch's own Python, inside the cell.

stdin holds one line, the request: key, argv, files (patterns of the reports, relative to the working folder; empty:
`{junit}` in argv is where one is to be written), probe (what stands before the name of a function in the text of a
failure that a probe caused), root.  stdout takes the results, as `runner` tells them.  The command could write any
results it likes: whoever uses this trusts it.
"""

from __future__ import annotations

import glob
import json
import os
import re
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.verification.agent.junit import MOST_BYTES, NotJUnit, numbered, parse
else:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # -I leaves it out
    from junit import MOST_BYTES, NotJUnit, numbered, parse

MOST_REPORTS = 500
MOST_ALL_BYTES = 64 << 20
MOST_DETAILED = 20  # failures; of those that come after them only the message is told


class Trouble(Exception):
    """Why there are no results."""


def run(request: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    """The command's exit status, and the test cases of its reports."""
    folder = tempfile.mkdtemp(prefix="report-")
    own = os.path.join(folder, "report.xml")
    argv = [word.replace("{junit}", own) for word in request["argv"]]
    patterns = request["files"] or [own]
    for old in found(patterns):
        os.unlink(old)  # of an earlier run; this is a shadow of the workspace
    try:
        status = subprocess.call(argv, stdin=subprocess.DEVNULL, stdout=2)  # noqa: S603 - the user's own command
    except OSError as error:
        raise Trouble(f"the command could not be started: {error}") from error
    reports = found(patterns)
    if not reports:
        where = ", ".join(request["files"]) or "the place of {junit}"
        raise Trouble(f"the command ended with status {status} and wrote no JUnit XML to {where}")
    cases: list[dict[str, Any]] = []
    room = MOST_ALL_BYTES
    for report in reports[:MOST_REPORTS]:
        try:
            with open(report, "rb") as handle:
                data = handle.read(MOST_BYTES + 1)
            room -= len(data)
            if room < 0:
                raise Trouble("the command's reports are too large")
            cases += parse(data)
        except (OSError, NotJUnit) as error:
            raise Trouble(f"{os.path.basename(report)} is no JUnit XML: {error}") from error
    if not cases:
        raise Trouble(f"the command ended with status {status} and reported no test")
    return status, numbered(cases)


def found(patterns: list[str]) -> list[str]:
    """Plain files that match, links left out."""
    paths = {path for pattern in patterns for path in glob.glob(pattern, recursive=True)}
    return sorted(path for path in paths if os.path.isfile(path) and not os.path.islink(path))


def main() -> None:
    request: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    key = request.pop("key")
    channel = os.fdopen(os.dup(1), "w", encoding="ascii")  # no child inherits it
    os.dup2(2, 1)

    def tell(kind: str, **what: Any) -> None:
        channel.write(json.dumps({"kind": kind, "key": key, **what}) + "\n")
        channel.flush()

    tell("start", id=" ".join(request["argv"]))
    try:
        status, cases = run(request)
    except Trouble as error:
        tell("collection", file=" ".join(request["argv"]), tests=[], message=str(error), detail="", reached=[],
             blocked_by=[])  # fmt: skip
        status, cases = 1, []
    probe = re.compile(re.escape(request["probe"]) + r"([\w.\[\]:/]+);") if request["probe"] else None
    detailed = 0
    for case in cases:
        names = list(dict.fromkeys(probe.findall(case["message"] + "\n" + case["detail"]))) if probe else []
        case["detail"] = case["detail"] if detailed < MOST_DETAILED else ""
        detailed += bool(case["detail"])
        tell("test", **case, reached=names, blocked_by=[], frames=[])
    tell("end", status=status, count=len(cases), loaded=[], copies=[])


if __name__ == "__main__":
    main()
