"""Whether a model fits into memory with its context, asked before it is loaded.

Without the question a host too large for the machine is killed by the system in the middle of a sample, or drives
everything else into swap.
"""

from __future__ import annotations

from pathlib import Path

import psutil

from engine.machine.cgroups import MEMBERSHIP, ROOT, groups, number
from engine.machine.gguf import Header

LEAST_CONTEXT = 1024  # tokens; less holds no prompt with the tests in it
_CONTEXT_STEP = 256
_PROCESS = 96 << 20  # bytes: Python, the server, llama.cpp's smaller buffers
_RESERVE = 128 << 20  # bytes left to others
_MB = 1e6


class MemoryShortError(Exception):
    """The model does not fit, not even with the least context; the text says by how much."""


def available_bytes(root: Path = ROOT, membership: Path = MEMBERSHIP) -> int:
    """Memory that this process can still get: of the machine, and of the container or service that it runs in."""
    return min([int(psutil.virtual_memory().available), *_left_in_groups(root, membership)])


def _left_in_groups(root: Path, membership: Path) -> list[int]:
    left = []
    for version, folder in groups("memory", root, membership):
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if version == 1 else ("memory.max", "memory.current")
        limit, used = (number(folder / name) for name in names)
        if limit is not None and used is not None:
            left.append(limit - used + _cached(folder))
    return left


def _cached(folder: Path) -> int:
    """Bytes of files that a group holds in memory, and would give up when it needs room."""
    try:
        lines = (folder / "memory.stat").read_text("ascii").splitlines()
    except OSError:
        return 0
    stat = {name: int(value) for name, _, value in (line.partition(" ") for line in lines)}
    # Version 1 says of a group alone first, and of the whole tree under `total_`.
    return sum(stat.get(f"total_{name}", stat.get(name, 0)) for name in ("active_file", "inactive_file"))


def needed_bytes(header: Header, context_tokens: int, *, batch: int, sequences: int) -> int:
    """Estimate of what a host takes: weights, KV cache in 16 bits, logits of a batch and of all sequences.

    The weights count once: pages of the file that llama.cpp repacked need not stay.  For the Qwen2.5 models this is
    4 to 8 % more than the sum of the buffers that llama.cpp reports.
    """
    heads = max(1, header.number("{}.attention.head_count", 1))
    width = header.number("{}.embedding_length") // heads
    key, value = header.number("{}.attention.key_length", width), header.number("{}.attention.value_length", width)
    kv_heads = header.number("{}.attention.head_count_kv", heads)
    cell = 2 * header.number("{}.block_count") * kv_heads * (key + value)
    vocabulary = header.number("tokenizer.ggml.tokens.length")
    return header.weights + context_tokens * cell + 4 * vocabulary * (batch + sequences) + _PROCESS


def fitting_context(header: Header, wanted: int, available: int, *, batch: int, sequences: int) -> int:
    """The largest context of at most `wanted` tokens that fits into `available` bytes with the model.

    Raises:
        MemoryShortError: not even the least one does.
    """
    limit = header.number("{}.context_length")
    wanted = min(wanted, limit) if limit else wanted
    room = available - _RESERVE

    def needed(tokens: int) -> int:
        return needed_bytes(header, tokens, batch=batch, sequences=sequences)

    if needed(wanted) <= room:
        return wanted
    empty, cell = needed(0), needed(1) - needed(0)
    tokens = (room - empty) // cell // _CONTEXT_STEP * _CONTEXT_STEP if cell else 0
    least = min(wanted, LEAST_CONTEXT)
    if tokens < least:
        raise MemoryShortError(
            f"The model and a context of {least} tokens need {(needed(least) + _RESERVE) / _MB:,.0f} MB of memory, "
            f"and {available / _MB:,.0f} MB are available."
        )
    return tokens
