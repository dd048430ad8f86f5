"""Baselines of this process, remembered by content: a second job on an unchanged workspace needs no second baseline.

What a baseline was found on is told by hashes: of the texts given, of the files that the tests loaded, and of those
that configure them, whether they exist or not.  A data file that tests read unseen is not among them; what is judged
by a remembered baseline still runs on everything as it is.  One that is being found is waited for by who wants it, too.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from weakref import WeakValueDictionary

import anyio
from attrs import evolve, frozen

from engine.verification.base import Baseline
from engine.verification.cell import encoded
from engine.verification.configuration import DECISIVE

MOST = 32


@frozen
class _Entry:
    baseline: Baseline
    files: tuple[tuple[Path, str], ...]


_known: OrderedDict[Hashable, _Entry] = OrderedDict()
_wanted: WeakValueDictionary[Hashable, anyio.Lock] = WeakValueDictionary()


def in_turn(key: Hashable) -> anyio.Lock:
    """To be held while the baseline for `key` is found: who had to wait for it finds it remembered, as a rule."""
    lock = _wanted.get(key)
    if lock is None:
        lock = _wanted[key] = anyio.Lock()
    return lock


def recall(key: Hashable, texts: Mapping[Path, str]) -> Baseline | None:
    """The baseline found for `key`, if every file it depends on still has the same content; else None."""
    entry = _known.get(key)
    if entry is None or any(_digest(path, texts) != digest for path, digest in entry.files):
        return None
    _known.move_to_end(key)
    found = entry.baseline
    return evolve(found, verdict=evolve(found.verdict, cpu_seconds=0.0))  # nothing was run for it this time


def remember(
    key: Hashable, baseline: Baseline, texts: Mapping[Path, str], root: Path, files: Iterable[Path]
) -> None:  # fmt: skip
    """Keep `baseline`, found on `texts` and the disk by tests in `files` (absolute, below `root`)."""
    loaded = {root / name for name in baseline.verdict.loaded}
    watched = loaded.union(files, _configuration(root, files))
    _known[key] = _Entry(baseline, tuple((path, _digest(path, texts)) for path in sorted(watched)))
    _known.move_to_end(key)
    while len(_known) > MOST:
        _known.popitem(last=False)


def digest_of(texts: Mapping[Path, str]) -> str:
    """One hash over paths and texts."""
    whole = hashlib.sha256()
    for path, text in sorted(texts.items()):
        whole.update(f"{path}\0{len(text)}\0".encode("utf-8", "surrogatepass") + encoded(text))
    return whole.hexdigest()


def _configuration(root: Path, files: Iterable[Path]) -> set[Path]:
    """What may configure the tests, now or as soon as it exists."""
    folders = {folder for file in files for folder in file.parents if folder == root or folder.is_relative_to(root)}
    return {folder / name for folder in folders for name in DECISIVE}


def _digest(path: Path, texts: Mapping[Path, str]) -> str:
    """Empty for a file that is not there."""
    try:
        return hashlib.sha256(encoded(texts[path]) if path in texts else path.read_bytes()).hexdigest()
    except OSError:
        return ""
