"""A model comes from its home on the hub, if that can be: resumed after a break, and refused if it is another file."""

import hashlib
from pathlib import Path

import pytest
from small_model import CONTENT, Hub, huge, use

from engine.errors import DownloadError
from engine.models.catalogue import ModelEntry
from engine.models.pull import pull

pytestmark = pytest.mark.usefixtures("index")  # empty: what is not on the hub is nowhere


def test_the_file_arrives_whole_and_nothing_else_stays(folder: Path, entry: ModelEntry, hub: Hub) -> None:
    seen: list[tuple[int, int, str]] = []
    model = pull(entry.name, progress=lambda *event: seen.append(event))
    assert model.path.read_bytes() == CONTENT
    assert (model.name, model.entry) == (entry.name, entry)
    assert seen[-1] == (len(CONTENT), len(CONTENT), "from the Hugging Face hub")
    assert {path.name for path in folder.rglob("*")} == {"small.gguf", ".downloads", "small.lock"}


def test_a_connection_that_breaks_is_taken_up_where_it_broke(folder: Path, entry: ModelEntry, hub: Hub) -> None:
    hub.break_off_after = [1_000_000, 500_000]
    assert pull(entry.name).path.read_bytes() == CONTENT
    assert hub.ranges == ["bytes=0-", "bytes=1000000-", "bytes=1500000-"]


def test_a_pull_that_was_stopped_goes_on_next_time(folder: Path, entry: ModelEntry, hub: Hub) -> None:
    def stop(done: int, total: int, activity: str) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(entry.name, progress=stop)
    assert not (folder / entry.file).exists()
    assert pull(entry.name).path.read_bytes() == CONTENT
    assert len(hub.ranges) == 2
    assert int(hub.ranges[1].removeprefix("bytes=").removesuffix("-")) > len(CONTENT) / 2


def test_a_server_that_knows_no_ranges_begins_anew(folder: Path, entry: ModelEntry, hub: Hub) -> None:
    hub.break_off_after, hub.knows_ranges = [1_000_000], False
    assert pull(entry.name).path.read_bytes() == CONTENT


def test_another_file_on_the_hub_is_refused_before_it_is_downloaded(folder: Path, entry: ModelEntry, hub: Hub) -> None:
    hub.etag = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(DownloadError) as refused:
        pull(entry.name)
    assert entry.sha256 in refused.value.what and hub.etag in refused.value.what
    assert hub.ranges == []


@pytest.mark.parametrize("wrong", [CONTENT[:-1] + b"!", CONTENT + b"!"], ids=["one byte differs", "one byte too many"])
def test_other_bytes_than_promised_never_get_the_final_name(
    folder: Path, entry: ModelEntry, hub: Hub, wrong: bytes
) -> None:
    hub.content, hub.size, hub.etag = wrong, entry.size, entry.sha256
    with pytest.raises(DownloadError, match=r"refused: expected .*, got "):
        pull(entry.name)
    assert not list(folder.rglob("*.gguf")) and not list(folder.rglob("*.partial"))


def test_a_disk_that_is_too_small_is_noticed_first(
    folder: Path, entry: ModelEntry, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(huge(entry), monkeypatch)
    hub.size = huge(entry).size
    with pytest.raises(DownloadError, match="MB are free") as refused:
        pull(entry.name)
    assert "GREENFINCH_MODELS" in refused.value.remedy
    assert hub.ranges == []


def test_an_installed_file_that_was_damaged_is_replaced(folder: Path, entry: ModelEntry, hub: Hub) -> None:
    folder.mkdir()
    (folder / entry.file).write_bytes(CONTENT[:-1] + b"!")
    assert pull(entry.name).path.read_bytes() == CONTENT


def test_an_installed_file_that_is_right_is_not_downloaded_again(folder: Path, entry: ModelEntry, hub: Hub) -> None:
    folder.mkdir()
    (folder / entry.file).write_bytes(CONTENT)
    pull(entry.name)
    assert hub.ranges == []


def test_a_folder_that_cannot_be_written_is_told_with_its_remedy(
    tmp_path: Path, entry: ModelEntry, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GREENFINCH_MODELS", str(tmp_path / "file" / "models"))
    with pytest.raises(DownloadError, match="cannot be written") as refused:
        pull(entry.name)
    assert "GREENFINCH_MODELS" in refused.value.remedy
