"""Memory is asked for before a model is loaded: what the container leaves counts, and the context gives way first."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from engine.machine.gguf import Header, UnfitModelError, read_header
from engine.machine.memory import MemoryShortError, available_bytes, fitting_context, needed_bytes

MB = 1 << 20
MODEL = Header(
    {
        "general.architecture": "qwen2",
        "qwen2.block_count": 28,
        "qwen2.embedding_length": 1536,
        "qwen2.attention.head_count": 12,
        "qwen2.attention.head_count_kv": 2,
        "qwen2.context_length": 32768,
        "tokenizer.ggml.tokens.length": 151936,
    },
    weights=1060 * MB,
)
SIZES = {"batch": 512, "sequences": 64}


def gguf(path: Path, *, tensors: int = 1, offset: int = 0, data: int = 64) -> Path:
    """A file of the format with one key and so many tensors."""
    key = b"general.architecture"
    head = b"GGUF" + struct.pack("<IQQ", 3, tensors, 1)
    head += struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, 5) + b"qwen2"
    for _ in range(tensors):
        head += struct.pack("<Q", 1) + b"t" + struct.pack("<IQIQ", 1, 16, 0, offset)
    path.write_bytes(head + b"\0" * (-len(head) % 32) + b"\0" * data)
    return path


def test_the_estimate_is_that_of_llama_cpps_own_buffers() -> None:
    """1060 MiB of weights, 224 of KV cache, 303 and 37 of logits, as llama.cpp said for this model; and the process."""
    assert needed_bytes(MODEL, 8192, **SIZES) / MB == pytest.approx(1060 + 224 + 303 + 37 + 96, rel=0.01)


def test_a_context_that_fits_is_taken_as_it_is() -> None:
    assert fitting_context(MODEL, 8192, 4096 * MB, **SIZES) == 8192


def test_no_context_is_longer_than_the_models_own() -> None:
    assert fitting_context(MODEL, 100_000, 64_000 * MB, **SIZES) == 32768


def test_short_memory_makes_the_context_shorter() -> None:
    tokens = fitting_context(MODEL, 8192, 1750 * MB, **SIZES)
    assert 1024 <= tokens < 8192
    assert needed_bytes(MODEL, tokens, **SIZES) <= 1750 * MB


def test_memory_that_is_too_short_for_any_context_is_an_error_with_both_figures() -> None:
    with pytest.raises(MemoryShortError, match=r"1024 tokens need 1,7\d\d MB .* 1,049 MB are available"):
        fitting_context(MODEL, 8192, 1000 * MB, **SIZES)


def groups(folder: Path, version: int) -> tuple[Path, Path]:
    """A container's control groups: a limit outside, none inside."""
    base = folder if version == 2 else folder / "memory"
    inner = base / "box" / "service"
    inner.mkdir(parents=True)
    limit, used = (
        ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    )
    (inner / limit).write_text("max\n" if version == 2 else "9223372036854771712\n")
    (inner / used).write_text(f"{100 * MB}\n")
    (inner.parent / limit).write_text(f"{512 * MB}\n")
    (inner.parent / used).write_text(f"{300 * MB}\n")
    prefix = "" if version == 2 else "total_"
    (inner.parent / "memory.stat").write_text(
        f"anon 5\n{prefix}inactive_file {40 * MB}\n{prefix}active_file {8 * MB}\n"
    )
    membership = folder / "membership"
    membership.write_text("0::/box/service\n" if version == 2 else "3:cpu:/\n4:memory:/box/service\n")
    return folder, membership


@pytest.mark.parametrize("version", [1, 2])
def test_a_containers_limit_counts_and_its_file_cache_does_not(tmp_path: Path, version: int) -> None:
    assert available_bytes(*groups(tmp_path, version)) == (512 - 300 + 40 + 8) * MB


def test_without_control_groups_the_machines_memory_counts(tmp_path: Path) -> None:
    assert available_bytes(tmp_path, tmp_path / "none") > 64 * MB


def test_a_whole_files_head_is_read(tmp_path: Path) -> None:
    header = read_header(gguf(tmp_path / "a.gguf"))
    assert (header.values["general.architecture"], header.weights) == ("qwen2", 64)


def test_a_file_without_its_end_is_said_to_be_cut_off(tmp_path: Path) -> None:
    with pytest.raises(UnfitModelError, match=r"a\.gguf is cut off"):
        read_header(gguf(tmp_path / "a.gguf", offset=64))


def test_a_head_that_is_cut_anywhere_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    whole = gguf(tmp_path / "a.gguf").read_bytes()
    for length in range(4, len(whole) - 64):
        (tmp_path / "b.gguf").write_bytes(whole[:length])
        with pytest.raises(UnfitModelError, match=r"b\.gguf"):
            read_header(tmp_path / "b.gguf")


@pytest.mark.parametrize("at", range(8, 90))
def test_a_damaged_head_is_an_error_or_harmless(tmp_path: Path, at: int) -> None:
    """No length in the head, however large, is believed."""
    broken = bytearray(gguf(tmp_path / "a.gguf").read_bytes())
    broken[at] = 0xFF
    (tmp_path / "b.gguf").write_bytes(broken)
    try:
        read_header(tmp_path / "b.gguf")
    except UnfitModelError as error:
        assert "b.gguf" in str(error)
