"""Which models llama.cpp's memory serves as the host needs it: beginnings are shared, and ends are taken off."""

from __future__ import annotations

import struct
from pathlib import Path

import llama_cpp
import pytest

from engine.host.backend import Backend, BackendError
from engine.host.ladder import GpuLadder
from engine.host.loading import MODEL_UNFIT, load

_VOCABULARY, _WIDTH, _INNER, _STATE, _KERNEL, _RANK = 8, 32, 64, 4, 4, 2
_NUMBERS = {
    "context_length": 64, "embedding_length": _WIDTH, "feed_forward_length": 0, "attention.head_count": 0,
    "block_count": 1, "ssm.conv_kernel": _KERNEL, "ssm.inner_size": _INNER, "ssm.state_size": _STATE,
    "ssm.time_step_rank": _RANK, "vocab_size": _VOCABULARY,
}  # fmt: skip
_TENSORS = {
    "token_embd.weight": (_WIDTH, _VOCABULARY), "output_norm.weight": (_WIDTH,), "blk.0.attn_norm.weight": (_WIDTH,),
    "blk.0.ssm_in.weight": (_WIDTH, 2 * _INNER), "blk.0.ssm_conv1d.weight": (_KERNEL, _INNER),
    "blk.0.ssm_conv1d.bias": (_INNER,), "blk.0.ssm_x.weight": (_INNER, _RANK + 2 * _STATE),
    "blk.0.ssm_dt.weight": (_RANK, _INNER), "blk.0.ssm_dt.bias": (_INNER,), "blk.0.ssm_a": (_STATE, _INNER),
    "blk.0.ssm_d": (_INNER,), "blk.0.ssm_out.weight": (_INNER, _WIDTH),
}  # fmt: skip


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def mamba(path: Path) -> Path:
    """A recurrent model of one layer, which llama.cpp loads; all its weights are 0."""
    entries = [_text("general.architecture") + struct.pack("<I", 8) + _text("mamba")]
    entries += [_text("tokenizer.ggml.model") + struct.pack("<I", 8) + _text("none")]
    entries += [_text("mamba.attention.layer_norm_rms_epsilon") + struct.pack("<If", 6, 1e-5)]
    entries += [_text(f"mamba.{key}") + struct.pack("<II", 4, value) for key, value in _NUMBERS.items()]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(_TENSORS), len(entries)) + b"".join(entries)
    offset = 0
    for name, shape in _TENSORS.items():
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset)
        values = shape[0] * (shape[1] if len(shape) > 1 else 1)
        offset += -(-4 * values // 32) * 32
    path.write_bytes(head + bytes(-len(head) % 32 + offset))
    return path


def test_a_recurrent_model_is_refused_in_words_when_it_is_loaded(tmp_path: Path) -> None:
    """llama.cpp cannot take the end off what such a model has read: the second samples of a prompt would go wrong."""
    model, ladder = mamba(tmp_path / "mamba.gguf"), GpuLadder(tmp_path / "host.sock")
    with pytest.raises(BackendError, match="recurrent layers") as caught:
        load(model, context_tokens=64, threads=1, sequences=4, ladder=ladder)
    assert caught.value.code == MODEL_UNFIT


def test_what_llama_cpp_does_not_take_off_the_cache_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_cpp, "llama_memory_seq_rm", lambda *_arguments: False)
    backend = Backend.__new__(Backend)
    backend._memory = None
    with pytest.raises(BackendError, match="sequence 3 off the cache from 7 on"):
        backend.remove(3, 7)
