"""A model's home on the Hugging Face hub: its metadata through `huggingface_hub`, its bytes through a plain ranged GET.

`hf_hub_download` is not used: since its version 1 it drops what it has when a download breaks off.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from engine.models.catalogue import HubSource, ModelEntry
from engine.models.partial import Partial, Report, SourceError, ensure_space

if TYPE_CHECKING:
    import httpx  # imported where it is used: it is slow to load, and a server that only lists models needs none of it

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 20.0
_FRUITLESS_TRIES = 4
_SHA256 = re.compile(r"[0-9a-f]{64}")


def fetch(source: HubSource, entry: ModelEntry, folder: Path, report: Report) -> Path:
    """Download the entry's file into `folder`, going on from an earlier try, and return the verified partial file.

    Raises:
        SourceError: the hub cannot be reached, or has another file than the catalogue says.
        DownloadError: the disk is too small.
        OSError: it cannot be written.
    """
    report(0, f"asking {source.label}")
    url = _published(source, entry)
    with Partial(folder / "from-hub.partial", report, resume=True) as partial:
        if partial.size > entry.size:
            partial.restart()
        ensure_space(folder, entry.size - partial.size)
        _download(url, partial, entry.size, f"from {source.label}")
        return partial.finish(entry)


def _published(source: HubSource, entry: ModelEntry) -> str:
    """The file's address, once the hub has said that what lies there has the catalogue's size and SHA-256."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library is imported
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    endpoint = os.environ.get("HF_ENDPOINT")
    url = hf_hub_url(source.repository, entry.file, revision=source.revision, endpoint=endpoint)
    try:
        metadata = get_hf_file_metadata(url, token=False, timeout=_CONNECT_SECONDS)
    except Exception as error:  # the library's HTTP stack, and so its errors, changed twice; `Exception` is their base
        raise SourceError(f"no answer ({_line(error)})") from error
    sha256 = metadata.etag if _SHA256.fullmatch(metadata.etag or "") else None
    if metadata.size not in (None, entry.size) or sha256 not in (None, entry.sha256):
        expected = f"{entry.size:,} bytes with SHA-256 {entry.sha256}"
        raise SourceError(f"it offers another file: expected {expected}, got {metadata.size} bytes with {sha256}")
    return url


def _download(url: str, partial: Partial, size: int, activity: str) -> None:
    import httpx

    tries = 0
    timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
    with httpx.Client(timeout=timeout, follow_redirects=True) as client:
        while partial.size < size:
            before = partial.size
            try:
                _append(client, url, partial, size, activity)
                reason = "the connection ended early"
            except httpx.HTTPStatusError as error:
                reason = f"HTTP status {error.response.status_code}"
                if error.response.is_client_error:
                    raise SourceError(reason) from error
            except httpx.HTTPError as error:
                reason = _line(error)
            tries = 0 if partial.size > before else tries + 1
            if tries == _FRUITLESS_TRIES:
                raise SourceError(f"broke off at {partial.size:,} of {size:,} bytes ({reason})")
            if partial.size < size:
                partial.write(b"", f"{activity}, once more: {reason}")  # who listens may end it here
                time.sleep(tries)


def _append(client: httpx.Client, url: str, partial: Partial, size: int, activity: str) -> None:
    headers = {"Range": f"bytes={partial.size}-", "Accept-Encoding": "identity"}
    with client.stream("GET", url, headers=headers) as response:
        response.raise_for_status()
        if partial.size and response.status_code != 206:
            partial.restart()  # the server does not know ranges and begins at the beginning
        for block in response.iter_bytes():  # as they come: a chunk size would hold back the last ones before a break
            partial.write(block, activity)
            if partial.size > size:
                return  # `finish` refuses it


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
