"""A run's record: JSON Lines that hold all it takes to replay the run without a model.

Recording is a by-catch: whatever goes wrong with it, the run goes on (see `Recorder.warning`).  Records stay on this
machine, in a folder that only their user can read, and hold neither secrets of the environment nor the user's name.
"""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import attrs
import platformdirs
from attrs import frozen

from engine.config import Settings
from engine.errors import GreenfinchError
from engine.paths import expanded
from engine.redaction import Redactor

FORMAT = 1
LIMIT = 200_000_000
"""Bytes that all records together may take; the oldest make room."""

_ID = re.compile(r"\d{8}-\d{6}-\d{6}-[0-9a-f]{4}")


def folder() -> Path:
    """Where records lie, whether or not it exists.  GREENFINCH_RUNS moves it."""
    chosen = os.environ.get("GREENFINCH_RUNS")
    if chosen:
        return expanded(chosen, "GREENFINCH_RUNS").absolute()
    return platformdirs.user_state_path("greenfinch") / "runs"


def new_run_id() -> str:
    """A name for a run that no other has; names sort in the order of time (UTC)."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"


def header(run: str, *, settings: Settings, target: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """The first line of a record: what a replay starts from.

    Args:
        target: path, qualname and kind of what is to be implemented.
        texts: by path, the documents as the run saw them, where they may differ from the disk.
    """
    versions = {"python": platform.python_version(), "platform": platform.platform()}
    for name in ("greenfinch", "llama_cpp_python"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "event": "record",
        "format": FORMAT,
        "run": run,
        "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "versions": versions,
        "settings": attrs.asdict(settings),
        "target": dict(target),
        "texts": dict(texts),
    }


class Recorder:
    """Writes one run's record, a line at a time, each handed to the system at once.

    Args:
        secret_variables: names of environment variables that hold secrets although their names do not say so.

    Attributes:
        path: the record's file; it may not exist, if `warning` says so.
        warning: why recording stopped, in one line; empty while it goes on.
    """

    def __init__(self, run_id: str, *, secret_variables: Iterable[str] = (), limit: int = LIMIT) -> None:
        self.path = folder() / f"{run_id}.jsonl"
        self.warning = ""
        self._limit = limit
        self._size = 0
        self._redact = Redactor(os.environ, also=secret_variables)
        self._descriptor: int | None = None
        try:
            self._descriptor = self._open()
        except OSError as error:
            self._stop(error.strerror or str(error))

    def write(self, event: Mapping[str, Any]) -> None:
        """Append `event`.  Never raises for a file system's sake."""
        if self._descriptor is None:
            return
        line = json.dumps(self._redact(event), default=str).encode("ascii") + b"\n"
        if self._size + len(line) > self._limit:
            self._stop(f"it would grow beyond {self._limit:,} bytes")
            return
        try:
            if os.write(self._descriptor, line) != len(line):
                raise OSError(0, "the disk is full")
        except OSError as error:
            with suppress(OSError):
                os.truncate(self._descriptor, self._size)  # not half a line
            self._stop(error.strerror or str(error))
            return
        self._size += len(line)

    def close(self) -> None:
        """End the record.  Further writes are ignored."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> int:
        if not self.path.parent.is_dir():
            self.path.parent.mkdir(parents=True)
            self.path.parent.chmod(0o700)
        _make_room(self._limit)
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)

    def _stop(self, reason: str) -> None:
        self.warning = f"This run is not recorded (further): {self.path}: {reason}."
        self.close()


@frozen
class RunSummary:
    """What a list of runs shows.

    Attributes:
        started: as ISO 8601, UTC.
        passed: None without an outcome: the run was refused or cancelled, goes on, or was broken off.
        result: the proof, or why there is no winner or no outcome.
        root: the project's folder, `~` for the home folder.
        energy_wh: None without an outcome; cost: money for it, where a price was set.
    """

    run: str
    path: Path
    started: str
    target: str
    passed: bool | None
    result: str
    root: str = ""
    energy_wh: float | None = None
    energy_label: str = ""
    cost: float | None = None
    currency: str = ""


def list_runs(limit: int = 0, project: Path | None = None) -> tuple[RunSummary, ...]:
    """The `limit` newest runs with a record (0: all), the newest first; those of one project's folder, if it is named.

    Only the first and the last line of each record are read.
    """
    found: list[RunSummary] = []
    wanted = None if project is None else Redactor({})(str(project.resolve()))
    for path in reversed(_records()):
        summary = _summary(path)
        if wanted is None or summary.root == wanted or summary.root.startswith(f"{wanted.rstrip('/')}/"):
            found.append(summary)
            if len(found) == limit:
                break
    return tuple(found)


def load_run(run: str) -> list[dict[str, Any]]:
    """All lines of a run's record; `run` is its name, the beginning of one, or `last`.

    A line that was cut short (the machine went down) ends the record there.

    Raises:
        GreenfinchError: there is no such run, or there are several.
    """
    records = _records()
    found = records[-1:] if run == "last" else [path for path in records if path.stem.startswith(run)]
    if len(found) != 1:
        what = f"{len(found)} runs begin with {run!r}." if found else f"There is no run {run!r} in {folder()}."
        raise GreenfinchError(what, remedy="`greenfinch runs list` shows them.")
    lines = []
    with found[0].open(encoding="utf-8") as file:
        for line in file:
            event = _parse(line)
            if event is None:
                break
            lines.append(event)
    return lines


def _summary(path: Path) -> RunSummary:
    first, last = _ends(path)
    started = str(first.get("started", ""))
    target = first.get("target") or {}
    where = f"{target.get('path', '?')}:{target.get('qualname', '')}".removesuffix(":")
    root = str(target.get("root") or "")
    if last.get("event") != "outcome":
        endings = {"error": f"refused: {last.get('what', '?')}", "cancelled": "cancelled"}
        result = endings.get(str(last.get("event")), "no outcome")
        return RunSummary(path.stem, path, started, where, None, result, root)
    passed = bool(last.get("passed"))
    result = str(last.get("proof" if passed else "reason", ""))
    energy, label = last.get("energy_wh"), str(last.get("energy_label", ""))
    cost, currency = last.get("cost"), str(last.get("currency", ""))
    return RunSummary(path.stem, path, started, where, passed, result, root, energy, label, cost, currency)


def _ends(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """First and last line; `{}` for one that cannot be read."""
    try:
        with path.open("rb") as file:
            first = last = file.readline()
            at, window = file.seek(0, os.SEEK_END), 1 << 16
            while at > len(first):
                file.seek(max(len(first), at - window))
                lines = file.read().splitlines()
                if len(lines) > 1 or at - window <= len(first):
                    last = lines[-1]
                    break
                window *= 4
    except OSError:
        return {}, {}
    return _parse(first) or {}, _parse(last) or {}


def _parse(line: str | bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _records() -> list[Path]:
    """Records in the order of time.  Other files in the folder are nobody's business here."""
    return sorted(path for path in folder().glob("*.jsonl") if _ID.fullmatch(path.stem))


def _make_room(limit: int) -> None:
    """Remove the oldest records until all of them together leave a tenth of `limit` free."""
    sizes = {}
    for path in _records():
        with suppress(FileNotFoundError):  # another run makes room, too
            sizes[path] = path.stat().st_size
    total = sum(sizes.values())
    for path, size in sizes.items():
        if total <= limit * 0.9:
            return
        path.unlink(missing_ok=True)
        path.with_suffix(".html").unlink(missing_ok=True)  # the page that was made of it
        total -= size
