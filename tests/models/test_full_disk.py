"""A disk that fills up while a model is downloaded: a clear word, and the next pull goes on from what arrived."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import asdict
from faults.mounts import can_mount, room, within
from small_model import CONTENT, Hub

from engine.models.catalogue import ModelEntry

# Pulls in a namespace, in which a neighbour takes the rest of the disk midway, and leaves it again for a second pull.
PULLS = """
import json, sys
from pathlib import Path
from engine.errors import DownloadError
from engine.models import catalogue, store
from engine.models.catalogue import Catalogue, HubSource, ModelEntry
from engine.models.pull import pull
told = json.loads(sys.argv[1])
entry = ModelEntry(**told | {"sources": (HubSource("somebody/small", "main"),)})
catalogue.load = lambda: Catalogue(entry.name, (entry,))
filler = store.folder().parent / "filler"

def fill(done, total, activity):
    if done > total / 3 and not filler.exists():
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 65536):
                    pass
            except OSError:
                pass

try:
    pull(entry.name, progress=fill)
except DownloadError as error:
    print(error)
print(sorted(path.name for path in store.folder().iterdir()))
filler.unlink()
print(len(pull(entry.name).path.read_bytes()))
"""


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="needs a mount namespace of its own")
def test_a_download_that_fills_the_disk_is_told_and_gone_on_with(tmp_path: Path, entry: ModelEntry, hub: Hub) -> None:
    told = json.dumps({name: value for name, value in asdict(entry).items() if name != "sources"})
    disk = tmp_path / "disk"
    disk.mkdir()
    environment = {**os.environ, "GREENFINCH_MODELS": str(disk / "models")}
    command = [*within(room(disk, "4m")), sys.executable, "-P", "-c", PULLS, told]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    error, listed, size = done.stdout.splitlines()
    assert "cannot be written: No space left on device" in error and "what arrived is kept" in error
    assert listed == "['.downloads']"  # and nothing under the model's own name
    assert int(size) == len(CONTENT)
    assert len(hub.ranges) == 2 and int(hub.ranges[1].removeprefix("bytes=").removesuffix("-")) > len(CONTENT) / 3
