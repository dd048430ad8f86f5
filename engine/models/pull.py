"""Fetch a model: from its sources in order, resumed where it broke off, under its final name only once verified."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from engine.errors import DownloadError
from engine.models import catalogue, hub, index, store
from engine.models.catalogue import HubSource, ModelEntry, Source
from engine.models.partial import Report, SourceError
from engine.models.store import ModelFile

Progress = Callable[[int, int, str], None]
"""Called some ten times a second with bytes done, bytes in all, and what is being done (`from the package index`).
Whatever it raises ends the pull; what was downloaded is kept."""

Note = Callable[[str], None]
"""Called with one line when something happens that the user should know, such as a source that failed."""

_PER_SECOND = 10


def pull(name: str, *, progress: Progress | None = None, note: Note | None = None) -> ModelFile:
    """Bring a model of the catalogue onto this machine, unless its file is here and right.  Blocks; may take minutes.

    KeyboardInterrupt and exceptions from `progress` leave the downloads behind for the next pull to go on from.

    Raises:
        ModelError: there is no such model.
        DownloadError: no source could be used, or the file cannot be written.
    """
    entry = catalogue.load().entry(name)
    report = _Reporter(entry.size, progress)
    try:
        with _only_pull_of(entry, report):
            if not _is_here(entry, report):
                _fetch(entry, report, note or (lambda line: None))
    except OSError as error:
        raise DownloadError(
            f"{store.folder()} cannot be written: {error.strerror or error}.",
            remedy="Make room there, or set GREENFINCH_MODELS to another folder; what arrived is kept.",
        ) from error
    return store.find(name)


class _Reporter:
    """Thins out what the sources report to `_PER_SECOND` and every hundredth of the whole, and lets no count run
    backwards: joining what has arrived counts the same bytes again."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._progress = progress
        self._most = 0
        self._told: tuple[int, str, float] = (0, "", 0.0)

    def __call__(self, done: int, activity: str) -> None:
        told_done, told_activity, told_at = self._told
        self._most = min(max(done, self._most) if activity == told_activity else done, self._total)
        due = time.monotonic() - told_at >= 1 / _PER_SECOND or self._most - told_done >= self._total / 100
        if self._progress and (due or activity != told_activity or self._most == self._total):
            self._told = (self._most, activity, time.monotonic())
            self._progress(self._most, self._total, activity)


@contextmanager
def _only_pull_of(entry: ModelEntry, report: Report) -> Iterator[None]:
    """One pull of a model at a time on this machine; a second one waits, and then finds the file."""
    folder = _downloads()
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{entry.name}.lock")
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            report(0, "waiting for another pull of this model")
    try:
        yield
    finally:
        lock.release()


def _fetch(entry: ModelEntry, report: Report, note: Note) -> None:
    folder = _downloads() / entry.name
    folder.mkdir(exist_ok=True)
    reasons = []
    for source in entry.sources:
        try:
            path = _fetch_from(source, entry, folder, report)
        except SourceError as error:
            reasons.append(f"{source.label}: {error}")
            note(f"Not from {reasons[-1]}.")
            continue
        path.replace(store.folder() / entry.file)
        shutil.rmtree(folder, ignore_errors=True)
        return
    raise DownloadError(
        f"{entry.name} could not be downloaded ({'; '.join(reasons)}).",
        remedy="What arrived is kept: check the network and pull again, or set `model` to a GGUF file you have.",
    )


def _fetch_from(source: Source, entry: ModelEntry, folder: Path, report: Report) -> Path:
    if isinstance(source, HubSource):
        return hub.fetch(source, entry, folder, report)
    return index.fetch(source, entry, folder, report)


def _is_here(entry: ModelEntry, report: Report) -> bool:
    path = store.installed(entry)
    if path is None:
        return False
    sha256 = store.hash_file(path, lambda done: report(done, "checking the file that is here"))
    return not store.difference(entry, entry.size, sha256)


def _downloads() -> Path:
    return store.folder() / ".downloads"
